"""A server that asks who we are and shows who it is: passwords, privileges, certificates; refused, mended, gone on."""

from __future__ import annotations

import hashlib
import shutil
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from conftest import STANDING
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from elastic_lines import follows, place, squid, until
from elastic_server import Certificate, ElasticServer, Security
from index_fakes import FakeArchive

from some.clock import SystemClock
from some.errors import NotPermitted, SettingsFault, Unavailable
from some.index.elastic.engine import Elastic
from some.index.elastic.examine import examine
from some.index.elastic.transport import ElasticSettings, connect
from some.index.engine import Query

pytestmark = pytest.mark.skipif(bool(STANDING), reason="these tests need certificates and users of their own")
CLOCK = SystemClock()
WRITER = """
some_writer:
  cluster: [monitor, manage_index_templates]
  indices:
    - names: ["some-*"]
      privileges: [{privileges}]
"""
ALL_NEEDED = "create_doc, auto_configure, maintenance, read, view_index_metadata, manage"
LACKING = "auto_configure, maintenance, read, view_index_metadata, manage"


def made(folder, name: str, issuer=None, *, until_: datetime | None = None):
    """Make a key and a certificate, signed by `issuer` or by itself; returns both and writes PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer[1] if issuer else key
    draft = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(until_ or now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if issuer:
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        draft = draft.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = draft.sign(signer, hashes.SHA256())
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.key").write_bytes(secret)
    return certificate, key


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    authority = made(folder, "authority")
    made(folder, "server", authority)
    made(folder, "expired", authority, until_=datetime.now(UTC) - timedelta(days=1))
    made(folder, "stranger")
    return folder


@pytest.fixture(scope="module")
def server(distribution, pki):
    security = Security(
        users={
            "admin": ("yonetici-parolasi", ("superuser",)),
            "yazar": ("yazar-parolasi", ("some_writer",)),
        },
        roles=WRITER.format(privileges=ALL_NEEDED),
        certificate=Certificate(pki / "authority.crt", pki / "server.crt", pki / "server.key"),
    )
    with ElasticServer(distribution, {"resource.reload.interval.high": "1s"}, security) as started:
        yield started


@pytest.fixture
def password(tmp_path):
    path = tmp_path / "password"
    path.write_text("yazar-parolasi\n")
    return path


def settings(server, password, **trust) -> ElasticSettings:
    return ElasticSettings((server.url,), user="yazar", password_file=password, replicas=0, timeout_s=10, **trust)


@pytest.fixture
def opened():
    """Give a maker of clients, all of which are closed at the end."""
    held = []

    def open_(chosen: ElasticSettings):
        held.append(connect(chosen))
        return held[-1]

    yield open_
    for client in held:
        client.close()


def fingerprint(pki) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert((pki / "server.crt").read_text())).hexdigest()


def test_our_own_authority_and_a_fingerprint_are_trusted_and_nothing_else(server, pki, password, opened):
    for trust in ({"ca_file": pki / "authority.crt"}, {"fingerprint": fingerprint(pki)}):
        assert opened(settings(server, password, **trust)).version() == server.distribution.version
    for trust in ({}, {"ca_file": pki / "stranger.crt"}, {"fingerprint": "ab" * 32}):
        with pytest.raises(Unavailable, match="certificate is not trusted") as caught:
            opened(settings(server, password, **trust)).version()
        assert "parolasi" not in str(caught.value)
    with pytest.raises((SettingsFault, Unavailable)):
        opened(settings(server, password, ca_file=pki / "server.key")).version()


def test_a_wrong_password_is_told_and_mended_without_a_restart_of_anything_else(server, pki, password, opened):
    password.write_text("baska\n")
    wrong = opened(settings(server, password, ca_file=pki / "authority.crt"))
    with pytest.raises(NotPermitted, match="401") as caught:
        wrong.request("GET", "/_cluster/health")
    assert "baska" not in str(caught.value)
    (row,) = [one for one in examine(wrong, "deneme1", CLOCK) if one.code == "elastic.version"]
    assert row.severity in {"warning", "error"}
    assert "401" in row.text
    password.write_text("yazar-parolasi\n")
    assert opened(settings(server, password, ca_file=pki / "authority.crt")).version()


def grant(server, privileges: str) -> None:
    """Change the role on the running server, which reads its files again by itself."""
    (server.folder / "config" / "roles.yml").write_text(WRITER.format(privileges=privileges))
    wanted = {"index": [{"names": ["some-access"], "privileges": ["create_doc"]}]}
    held = privileges == ALL_NEEDED

    def known() -> bool:
        status, answer = server.call("POST", "/_security/user/_has_privileges", wanted, user="yazar")
        return status == 200 and answer["has_all_requested"] is held

    until(known, "the server read its roles again")


def test_a_privilege_that_lacks_is_named_and_the_follower_goes_on_when_it_is_granted(
    server, pki, password, opened, tmp_path
):
    archive = FakeArchive()
    archive.open("access")
    archive.add(0, *map(squid, range(50)))
    client = opened(settings(server, password, ca_file=pki / "authority.crt"))
    grant(server, LACKING)
    with follows(archive, client, tmp_path) as following:
        for _ in range(2):
            with pytest.raises(NotPermitted, match="create_doc"):
                following.run_once()
            archive.add(0, *map(squid, range(50)))
        assert following.lag().records == 150
        (row,) = [one for one in examine(client, "deneme1", CLOCK) if one.code == "elastic.privileges"]
        assert (row.severity, row.text) == ("error", "yazar lacks: create_doc on some-*")
        grant(server, ALL_NEEDED)
        following.run_once()
        assert following.steps.dead == 0
    assert Elastic(archive, client, place(tmp_path)).count(Query()) == 150


def test_what_is_told_of_a_server_with_security(server, pki, password, opened):
    client = opened(settings(server, password, ca_file=pki / "authority.crt"))
    rows = {one.code: one for one in examine(client, "deneme1", CLOCK)}
    assert server.distribution.version in rows["elastic.version"].text
    assert (rows["elastic.privileges"].severity, rows["elastic.privileges"].where) == ("note", "yazar")
    assert rows.keys().isdisjoint({"elastic.plain", "elastic.security_off", "elastic.clock", "elastic.blocked"})
    assert "GiB" in rows["elastic.disk"].text
    assert {one.severity for one in rows.values()} <= {"note", "warning", "error"}
    assert [code for code, one in rows.items() if one.severity == "error"] in [[], ["elastic.disk"]]


def test_an_expired_certificate_is_refused_and_said_so(server, pki, password, opened):
    for kind in ("crt", "key"):
        shutil.copyfile(pki / f"expired.{kind}", server.folder / "config" / f"http.{kind}")

    def refused() -> str:
        try:
            opened(settings(server, password, ca_file=pki / "authority.crt")).version()
        except Unavailable as error:
            return str(error)
        return ""

    until(lambda: "expired" in refused(), "the server shows its expired certificate")
    assert "certificate is not trusted" in refused()
    (row,) = examine(opened(settings(server, password, ca_file=pki / "authority.crt")), "deneme1", CLOCK)
    assert row.severity == "error"
    assert "expired" in row.text
