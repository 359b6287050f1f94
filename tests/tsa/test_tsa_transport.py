"""The two transports against servers that are strict, and against servers that misbehave."""

from __future__ import annotations

import base64
import hashlib
import re
import traceback
from datetime import UTC, datetime

import pytest
from tsa_forge import NOW
from tsa_kamu import REPLY, KamuServer
from tsa_peer import Peer, answer

from retention.tsa.authority import SHORT_LIMITS, PasswordFile
from retention.tsa.fault import Reason, TokenFault
from retention.tsa.kamusm import KamuSm, credit_digest, derive_key, epoch_ms, identity
from retention.tsa.rfc3161 import Rfc3161
from retention.tsa.token import check_reply
from some.clock import SimulatedClock
from some.errors import Unavailable
from some.outbound import Limits, Outbound

SALT, IV = bytes(range(16)), bytes(range(16, 32))
PASSWORD = b"12345678"
OUT = Outbound(limits=SHORT_LIMITS)
SLOW = Outbound(limits=Limits(read_s=5, total_s=0.4, max_bytes=64 * 1024))


@pytest.fixture
def password(tmp_path):
    path = tmp_path / "password"
    path.write_bytes(PASSWORD + b"\n")
    return PasswordFile(path)


# the vectors of Kamu SM's protocol


def test_vector_key():
    assert derive_key(PASSWORD, SALT).hex() == "c0f30f44eed2f7d7d147d59618c5e91e54afabb4eaaa5870323ea1338dc53228"


def test_vector_identity():
    assert identity(123, PASSWORD, hashlib.sha256(b"abc").digest(), salt=SALT, iv=IV) == (
        "305c02017b0410000102030405060708090a0b0c0d0e0f0201640410101112131415161718191a1b1c1d1e1f"
        "0430bbee53e0484169b59d80b49013dfc1c75fc5d81df650ee09c776c71c2f279ecbb87353ef2975c96b3e43f558b09fb142"
    )


def test_vector_credit():
    assert credit_digest(123, 1_700_000_000_000).hex() == "b2bf615bb61cc47e44259d990bcbc65a63ba3026"
    assert epoch_ms(datetime.fromtimestamp(1_700_000_000, UTC)) == 1_700_000_000_000


@pytest.mark.parametrize(("name", "size"), [("sha1", 32), ("sha256", 48), ("sha512", 80)])
def test_the_header_is_short_lower_case_hexadecimal_for_any_hash(name, size):
    text = identity(999_999_999, PASSWORD, hashlib.new(name, b"abc").digest(), salt=SALT, iv=IV)
    assert re.fullmatch(r"30[0-9a-f]+", text)
    assert bytes.fromhex(text)[-size - 2 : -size] == bytes([4, size])


# Kamu SM


@pytest.fixture
def kamu(world):
    """Return a server of Kamu SM's kind with one customer, on a simulated clock."""
    clock = SimulatedClock(NOW)
    return KamuServer(world.forge(), clock, {123: PASSWORD})


def test_kamu_sm_stamps_who_proves_the_password(world, kamu, password):
    with kamu.serve() as peer:
        authority = KamuSm(peer.url, OUT, 123, password, kamu.clock)
        assert authority.name == f"http://127.0.0.1:{peer.port}"
        for _ in range(2):
            assert check_reply(authority.ask(world.request.der), world.expected, world.anchors, at=NOW)
        assert b"User-Agent: UEKAE TSS Client\r\n" in peer.requests[0]
    assert len(set(kamu.identities)) == 2


@pytest.mark.parametrize(
    ("account", "words"),
    [((999, PASSWORD), "User 999 is not known"), ((123, b"x" * 8), "Account could not be authenticated")],
)
def test_its_errors_under_http_200_reach_the_message(world, kamu, password, account, words):
    user, secret = account
    password.path.write_bytes(secret)
    with kamu.serve() as peer:
        reply = KamuSm(peer.url, OUT, user, password, kamu.clock).ask(world.request.der)
    with pytest.raises(TokenFault, match=words) as caught:
        check_reply(reply, world.expected, world.anchors, at=NOW)
    assert caught.value.reason is Reason.REFUSED


def test_a_plain_request_to_kamu_sm_is_forbidden_and_says_why(world, kamu):
    with kamu.serve() as peer, pytest.raises(Unavailable, match="status 403: Erişim yasak: kimlik başlığı yok"):
        Rfc3161(peer.url, OUT).ask(world.request.der)


def test_credit_is_asked_and_lags(world, kamu, password):
    with kamu.serve() as peer:
        authority = KamuSm(peer.url, OUT, 123, password, kamu.clock)
        assert authority.credit() == 10
        authority.ask(world.request.der)
        assert authority.credit() == 10
        kamu.clock.advance(1)
        kamu.book()
        assert authority.credit() == 9


@pytest.mark.parametrize(("off", "taken"), [(599, True), (-599, True), (601, False), (-601, False)])
def test_the_clock_may_be_ten_minutes_off(kamu, password, off, taken):
    ours = SimulatedClock(NOW)
    ours.step(off)
    with kamu.serve() as peer:
        authority = KamuSm(peer.url, OUT, 123, password, ours)
        if taken:
            assert authority.credit() == 10
            return
        with pytest.raises(Unavailable, match=r"no number: .*Request time is not acceptable"):
            authority.credit()


@pytest.mark.parametrize("body", [b"", b"abc", b"-5", b"12345678901", "٣".encode(), b"1 2"])
def test_a_credit_that_is_no_number_is_not_believed(password, body):
    def say(peer, connection, request):
        connection.sendall(answer(body, kind=REPLY))

    with Peer(say) as peer, pytest.raises(Unavailable):
        KamuSm(peer.url, OUT, 123, password, SimulatedClock(NOW)).credit()


def test_a_credit_answer_that_is_a_token_is_no_number(world, password):
    def say(peer, connection, request):
        connection.sendall(answer(world.reply(), kind=REPLY))

    with Peer(say) as peer, pytest.raises(Unavailable, match="something else"):
        KamuSm(peer.url, OUT, 123, password, SimulatedClock(NOW)).credit()


# both


def authorities(url, password, outbound=OUT):
    return [Rfc3161(url, outbound, "belediye", password), KamuSm(url, outbound, 123, password, SimulatedClock(NOW))]


def echoing(request):
    """Answer with everything that the request held."""
    return answer(request, status="500 Oops", kind="text/plain")


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (lambda _: answer(b"<html>proxy</html>", kind="text/html"), "text/html instead of application/timestamp-reply"),
        (lambda _: answer(b"x", kind=""), "no content type"),
        (lambda _: answer("Sunucu meşgul".encode("iso-8859-9"), status="503 Busy"), "status 503: Sunucu meşgul"),
        (lambda _: answer(b"", status="500 Oops"), "status 500: no text"),
        (lambda _: answer(bytes(10 * 1024 * 1024), kind=REPLY), "larger than 65536 bytes"),
        (lambda _: answer(b"x" * 100, kind=REPLY)[:-50], "broke off"),
        (lambda _: b"", "broke off"),
        (echoing, "status 500"),
    ],
    ids=["html", "no type", "text", "no text", "ten megabytes", "truncated", "nothing", "echo"],
)
def test_what_is_no_reply_is_unavailable_and_says_no_secret(world, password, kind, behave, words):
    def say(peer, connection, request):
        connection.sendall(behave(request))

    with Peer(say) as peer, pytest.raises(Unavailable, match=words) as caught:
        authorities(peer.url, password)[kind].ask(world.request.der)
    told = "".join(traceback.format_exception(caught.value))
    header = base64.b64encode(b"belediye:" + PASSWORD).decode()
    identities = re.findall(rb"identity: ([0-9a-f]+)", b"".join(peer.requests))
    for secret in (PASSWORD.decode(), header, *(one.decode() for one in identities)):
        assert secret not in told
        assert secret[:12] not in told


@pytest.mark.parametrize("kind", [0, 1])
def test_a_slow_server_is_left(world, password, kind):
    def say(peer, connection, request):
        peer.trickle(connection, answer(bytes(3000), kind=REPLY))

    with Peer(say) as peer, pytest.raises(Unavailable, match=r"within 0\.4 s"):
        authorities(peer.url, password, SLOW)[kind].ask(world.request.der)


def test_basic_authentication_is_sent_where_a_user_is_set(world, password):
    reply = world.reply()
    with Peer(lambda peer, connection, _: connection.sendall(answer(reply, kind=f"{REPLY}; charset=x"))) as peer:
        for authority in (Rfc3161(peer.url + "tsa?k=v", OUT, "belediye", password), Rfc3161(peer.url, OUT)):
            assert authority.ask(world.request.der) == reply
            assert authority.credit() is None
            assert authority.name == f"http://127.0.0.1:{peer.port}"
    first, second = peer.requests
    assert b"Authorization: Basic " + base64.b64encode(b"belediye:" + PASSWORD) in first
    assert b"Authorization" not in second
    assert first.startswith(b"POST /tsa?k=v HTTP/1.1")
    assert b"Content-Type: application/timestamp-query" in first
    assert first.endswith(world.request.der)


def test_the_password_is_read_at_use_and_its_absence_can_wait(tmp_path):
    file = PasswordFile(tmp_path / "p")
    with pytest.raises(Unavailable, match="cannot be read"):
        file.read()
    file.path.write_bytes(b"\n")
    with pytest.raises(Unavailable, match="is empty"):
        file.read()
    for content in (b"gizli", b"gizli\r\n", b"gizli\nsecond line\n"):
        file.path.write_bytes(content)
        assert file.read() == b"gizli"
    assert "gizli" not in repr(file)
    file.path.write_bytes("şifre".encode("iso-8859-9"))
    assert file.read() == "şifre".encode("iso-8859-9")


def test_very_short_passwords_are_not_hunted_in_messages(world, tmp_path):
    """A password of two letters would blank half of every message."""
    (tmp_path / "p").write_bytes(b"st")

    def say(peer, connection, request):
        connection.sendall(answer(b"first", status="500 Oops"))

    with Peer(say) as peer, pytest.raises(Unavailable, match="first"):
        Rfc3161(peer.url, OUT, "u", PasswordFile(tmp_path / "p")).ask(world.request.der)
