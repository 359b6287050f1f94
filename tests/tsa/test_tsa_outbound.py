"""HTTP out against peers that misbehave: every limit holds, nothing secret is said, nothing half is taken for whole."""

from __future__ import annotations

import base64
import gzip
import ipaddress
import socket
import ssl
import time
import traceback

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tsa_forge import Ca, rsa_key
from tsa_peer import Peer, answer

from some.errors import BadInput, ExitCode, Unavailable
from some.outbound import Cause, Exchange, Limits, Outbound, OutboundFault, _follow, place

QUICK = Limits(connect_s=5, read_s=5, total_s=0.5, max_bytes=10_000)
SECRET = "çok-gizli-8231"


def saying(content: bytes, *, stay: bool = False):
    def behave(peer, connection, request):
        connection.sendall(content)
        return stay

    return Peer(behave)


def cause_of(url, *, outbound=None, method="GET", **options):
    with pytest.raises(OutboundFault) as caught:
        (outbound or Outbound()).exchange(method, url, **options)
    fault = caught.value
    assert isinstance(fault, Unavailable)
    assert fault.exit_code is ExitCode.UNAVAILABLE
    assert fault.code == "outbound"
    return fault.cause


def test_an_answer_comes_whole_whatever_its_status():
    with saying(answer("yok öyle bir şey".encode(), status="404 Not Found", kind="text/plain; charset=utf-8")) as peer:
        found = Outbound(user_agent="bizim").exchange("POST", peer.url + "x?y=1", headers={"X-A": "b"}, body=b"soru")
    assert (found.status, found.ok, found.content_type) == (404, False, "text/plain")
    assert found.text() == "yok öyle bir şey"
    head, _, body = peer.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /x?y=1 HTTP/1.1\r\n")
    for line in (b"User-Agent: bizim", b"X-A: b", b"Accept-Encoding: identity"):
        assert line in head
    assert body == b"soru"


def test_a_line_keeps_its_connection():
    with saying(answer(b"x"), stay=True) as peer, Outbound().line() as line:
        assert [line.exchange("GET", peer.url).body for _ in range(3)] == [b"x"] * 3
        assert peer.connections == 1
    with saying(answer(b"x", more="Connection: close\r\n")) as peer, Outbound().line() as line:
        assert [line.exchange("GET", peer.url).body for _ in range(2)] == [b"x"] * 2
        assert peer.connections == 2
        assert line._watch._sockets == []


@pytest.mark.parametrize(
    "head",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"],
    ids=["headers", "body with a length", "body without a length"],
)
def test_a_slow_peer_is_left_when_time_is_up(head):
    def behave(peer, connection, request):
        connection.sendall(head)
        peer.trickle(connection, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000)

    start = time.monotonic()
    with Peer(behave) as peer:
        assert cause_of(peer.url, limits=QUICK) is Cause.TIME
    assert time.monotonic() - start < 60


def test_the_next_exchange_after_a_slow_one_is_judged_by_itself():
    def behave(peer, connection, request):
        if b"/slow" in request:
            peer.trickle(connection, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000)
        else:
            connection.sendall(answer(b"x"))

    with Peer(behave) as peer, Outbound().line() as line:
        with pytest.raises(OutboundFault):
            line.exchange("GET", peer.url + "slow", limits=QUICK)
        assert line.exchange("GET", peer.url).body == b"x"


def test_a_slow_handshake_is_left_too():
    with Peer(lambda *_: None, deaf=b"\x16\x03\x03\x40\x00" * 1000) as peer:
        assert cause_of(peer.url.replace("http:", "https:"), limits=QUICK) in {Cause.TIME, Cause.TLS}


def test_a_silent_peer_is_left_after_the_read_limit():
    with Peer(lambda peer, *_: peer.over.wait(20)) as peer:
        assert cause_of(peer.url, limits=Limits(read_s=0.2)) is Cause.TIME
        peer.over.set()


def test_silence_in_the_middle_of_the_body_is_a_matter_of_time():
    def behave(peer, connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        peer.over.wait(20)

    with Peer(behave) as peer:
        assert cause_of(peer.url, limits=Limits(read_s=0.2)) is Cause.TIME
        peer.over.set()


@pytest.mark.parametrize("kind", ["length", "chunked", "none", "gzip"])
def test_too_much_is_not_read(kind):
    body = bytes(200_000)
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    content = {
        "length": answer(body),
        "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
        "none": b"HTTP/1.1 200 OK\r\n\r\n" + body,
        "gzip": answer(gzip.compress(body), more="Content-Encoding: gzip\r\n"),
    }[kind]
    with saying(content) as peer:
        assert cause_of(peer.url, limits=Limits(max_bytes=100_000)) is Cause.SIZE
    with saying(content) as peer:
        assert Outbound().exchange("GET", peer.url).body == body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
def test_half_an_answer_is_none(content):
    with saying(content) as peer:
        assert cause_of(peer.url) is Cause.BROKEN


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_nobody_there():
    assert cause_of(f"http://127.0.0.1:{free_port()}/") is Cause.REFUSED


def test_a_name_that_is_not_found(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert cause_of("http://tsa.example.org/") is Cause.NAME


# redirects


def redirecting(status, where):
    def behave(peer, connection, request):
        if b" /there" in request.split(b"\r\n")[0]:
            connection.sendall(answer(b"there"))
        else:
            connection.sendall(answer(b"", status=f"{status} Go", more=f"Location: {where.format(peer=peer)}\r\n"))
        return True

    return Peer(behave)


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("GET", 302), ("HEAD", 303), ("POST", 307)])
def test_a_redirect_on_the_same_host_is_followed(method, status):
    with redirecting(status, "/there") as peer:
        found = Outbound().exchange(method, peer.url, body=b"q" if method == "POST" else None)
    assert found.status == 200
    assert peer.requests[1].startswith(f"{method} /there ".encode())


@pytest.mark.parametrize(
    ("method", "status", "where"),
    [
        ("GET", 302, "http://127.0.0.2:{peer.port}/there"),
        ("GET", 302, "http://127.0.0.1:1/there"),
        ("GET", 302, "https://127.0.0.1:{peer.port}/there"),
        ("GET", 302, "//other.example.org/there"),
        ("GET", 302, "ftp://127.0.0.1/there"),
        ("GET", 302, "http://[::1/there"),
        ("GET", 302, "/again"),
        ("POST", 302, "/there"),
        ("POST", 303, "/there"),
    ],
)
def test_other_redirects_are_refused(method, status, where):
    with redirecting(status, where) as peer:
        assert (
            cause_of(peer.url, method=method, body=b"q", headers={"Authorization": SECRET.encode()}) is Cause.REDIRECT
        )
        assert all(b" /there" not in request for request in peer.requests)


def test_a_redirect_may_raise_http_to_https_but_not_lower_it():
    def to(url):
        return Exchange(302, {"location": url}, b"")

    assert (
        _follow("GET", "http://a.example/", to("https://a.example/x"), place("http://a.example/"))[1]
        == "https://a.example/x"
    )
    for start, target in (
        ("https://a.example/", "http://a.example/"),
        ("http://a.example/", "https://a.example:8443/"),
    ):
        with pytest.raises(OutboundFault):
            _follow("GET", start, to(target), place(start))


def test_a_redirect_without_location_is_the_answer():
    with saying(answer(b"", status="304 Not Modified")) as peer:
        assert Outbound().exchange("GET", peer.url).status == 304
    with saying(answer(b"here", status="302 Found")) as peer:
        assert Outbound().exchange("GET", peer.url).body == b"here"


def test_the_body_of_a_redirect_has_a_limit_too():
    with saying(answer(bytes(90_000), status="302 Go", more="Location: /there\r\n")) as peer:
        assert cause_of(peer.url, limits=Limits(max_bytes=10_000)) is Cause.SIZE


# TLS


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Return a server's TLS context and the path of the CA that it hangs on."""
    folder = tmp_path_factory.mktemp("tls")
    ca, key = Ca("Site CA", rsa_key()), rsa_key()
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    server = ca.leaf(key, subject="127.0.0.1", purposes=[], extra=[(address, False)])
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(private + server.public_bytes(serialization.Encoding.PEM))
    (folder / "ca.pem").write_bytes(ca.pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem")
    return context, folder / "ca.pem"


def served(tls, content):
    def behave(peer, connection, request):
        connection.sendall(content)

    return Peer(behave, tls=tls[0])


def test_tls_is_verified_against_the_sites_ca(tls):
    with served(tls, answer(b"safe")) as peer:
        assert Outbound(ca_file=tls[1]).exchange("GET", peer.url).body == b"safe"
        assert cause_of(peer.url) is Cause.TLS
        peer.requests.clear()
        assert cause_of(peer.url.replace("127.0.0.1", "localhost"), outbound=Outbound(ca_file=tls[1])) is Cause.TLS
        assert peer.requests == []


def test_a_peer_without_tls_is_a_tls_fault(tls):
    with Peer(lambda *_: None, deaf=b"HTTP/1.1 400 Bad Request\r\n\r\n") as peer:
        assert cause_of(peer.url.replace("http:", "https:")) is Cause.TLS


def test_a_slow_body_over_tls_is_left_when_time_is_up(tls):
    def behave(peer, connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        peer.trickle(connection, b"x" * 9000)

    with Peer(behave, tls=tls[0]) as peer:
        assert cause_of(peer.url, outbound=Outbound(ca_file=tls[1]), limits=QUICK) is Cause.TIME


# proxies


def test_the_proxy_is_used_unless_the_host_needs_none():
    with saying(answer(b"from the proxy")) as proxy, saying(answer(b"direct")) as peer:
        outbound = Outbound(proxy=proxy.url)
        assert outbound.exchange("GET", "http://tsa.example.org/x").body == b"from the proxy"
        assert proxy.requests[0].startswith(b"GET http://tsa.example.org/x HTTP/1.1")
        near = Outbound(proxy=proxy.url, direct_hosts=frozenset({"127.0.0.1"}))
        assert near.exchange("GET", peer.url).body == b"direct"


def test_a_dead_proxy_is_no_connection():
    outbound = Outbound(proxy=f"http://user:{SECRET}@127.0.0.1:{free_port()}/")
    assert cause_of("http://tsa.example.org/", outbound=outbound) is Cause.REFUSED
    assert cause_of("https://tsa.example.org/", outbound=outbound) is Cause.REFUSED
    assert SECRET not in repr(outbound)


def test_the_environment_and_netrc_decide_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}/")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}/")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login a password {SECRET}\n")
    with saying(answer(b"direct")) as peer:
        assert Outbound().exchange("GET", peer.url).body == b"direct"
    assert b"Authorization" not in peer.requests[0]


# what is said, and what is not


@pytest.mark.parametrize(
    "content", [b"", b"junk", answer(bytes(9000)), answer(b"", status="302 Go", more="Location: ftp://x/\r\n")]
)
def test_no_fault_says_a_secret(content):
    with saying(content) as peer, pytest.raises(OutboundFault) as caught:
        Outbound(limits=Limits(max_bytes=100)).exchange(
            "POST",
            peer.url + f"path?token={SECRET}",
            body=SECRET.encode(),
            headers={"identity": SECRET.encode()},
            credentials=("site", SECRET),
        )
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert f"http://127.0.0.1:{peer.port}: " in str(caught.value)


def test_nobody_there_says_no_secret_either():
    with pytest.raises(OutboundFault) as caught:
        Outbound().exchange("GET", f"http://u:{SECRET}@127.0.0.1:{free_port()}/?k={SECRET}")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert "Connection refused" in str(caught.value)


@pytest.mark.parametrize("url", ["", "ftp://a.example/", "tsa.example", "http:///x", "http://[::1", "http://a:99999/"])
def test_what_is_no_http_url_is_bad_input(url):
    with pytest.raises(BadInput):
        Outbound().exchange("GET", url)


@pytest.mark.parametrize("options", [{"headers": {"X": f"{SECRET}\r\nY: 1"}}, {"headers": {"X": f" {SECRET}ğ"}}])
def test_a_header_that_cannot_be_sent_is_bad_input(options):
    with saying(answer(b"x")) as peer, pytest.raises(BadInput) as caught:
        Outbound().exchange("GET", peer.url, **options)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_credentials_go_in_utf8():
    with saying(answer(b"x")) as peer:
        Outbound().exchange("GET", peer.url, credentials=("belediye", "şifre"))
    line = next(line for line in peer.requests[0].split(b"\r\n") if line.startswith(b"Authorization: Basic "))
    assert base64.b64decode(line.split()[2]) == "belediye:şifre".encode()


def test_places_are_named_without_path_user_or_query():
    assert place("HTTPS://u:p@TSA.example.org/x?y") == "https://tsa.example.org:443"
    assert place("http://[2001:db8::7]:8080/") == "http://[2001:db8::7]:8080"


@pytest.mark.parametrize(
    ("kind", "body", "default", "text"),
    [
        ("text/html; charset=iso-8859-9", "şey".encode("iso-8859-9"), "utf-8", "şey"),
        ('text/html; charset="utf-8"', "şey".encode(), "iso-8859-9", "şey"),
        ("text/html; charset=klingon", "şey".encode(), "utf-8", "şey"),
        ("text/html; charset=hex", b"abc", "utf-8", "abc"),
        ("", "şey".encode("iso-8859-9"), "iso-8859-9", "şey"),
        ("", b"\xff", "no-such-code", "ÿ"),
    ],
)
def test_text_is_read_in_its_encoding(kind, body, default, text):
    assert Exchange(200, {"content-type": kind}, body).text(default) == text


def test_an_excerpt_is_one_short_printable_line():
    assert Exchange(500, {}, b"\x1b[31ma\r\nb\x00" + b"c" * 999).excerpt() == "[31ma b " + "c" * 192
