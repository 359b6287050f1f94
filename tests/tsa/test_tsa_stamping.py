"""The queue: whatever authorities and bytes do, no seal is lost and none gets anything but a token."""

from __future__ import annotations

import errno
import fcntl
from datetime import timedelta

import pytest
from asn1crypto import tsp
from tsa_forge import NOW
from tsa_kamu import KamuServer
from tsa_site import Local, down

from retention.layout import token_name
from retention.tsa.authority import SHORT_LIMITS, PasswordFile
from retention.tsa.fault import Reason, TokenFault
from retention.tsa.kamusm import KamuSm
from retention.tsa.openssl import OpensslCheck
from retention.tsa.reply import MAX_REPLY_BYTES
from retention.tsa.request import StampRequest
from retention.tsa.rfc3161 import Rfc3161
from retention.tsa.stamping import MAX_BAD_KEPT
from retention.tsa.trust import Trust, TrustAnchors
from some.app.demo.tsa import TrialAuthority
from some.digest import sha256
from some.durable import Disk
from some.errors import BadInput, ExitCode, IntegrityError, Unavailable
from some.outbound import Outbound

# what should happen


def test_every_waiting_seal_is_stamped_oldest_first(site):
    site.commit(3)
    authority = site.local()
    done = site.stamper(authority).stamp_waiting()
    assert (done.stamped, done.waiting, done.fault, done.code) == ([1, 2, 3], [], None, None)
    assert [StampRequest.parse(one).digest for one in authority.asked] == [
        sha256(site.ledger.manifest(seal).read_bytes()) for seal in (1, 2, 3)
    ]
    assert site.check() == [1, 2, 3]
    assert site.markers() == [token_name(seal) for seal in (1, 2, 3)]
    assert all((site.ledger.arrived / name).read_bytes() == b"" for name in site.markers())


def test_the_exact_bytes_of_the_reply_are_kept(site):
    said = []
    forge = site.world.forge()
    authority = Local(lambda request: said.append(forge.reply(request)) or said[-1])
    site.commit(1).stamper(authority).stamp_waiting()
    assert site.ledger.token(1).read_bytes() == said[0]


def test_a_bare_token_is_kept_as_it_came(site):
    forge = site.world.forge()
    authority = Local(lambda request: tsp.TimeStampResp.load(forge.reply(request))["time_stamp_token"].dump())
    assert site.commit(1).stamper(authority, second_opinion=OpensslCheck.find()).stamp_waiting().stamped == [1]
    assert site.check() == [1]


def test_a_limit_leaves_the_younger_ones(site):
    site.commit(5)
    done = site.stamper(site.local()).stamp_waiting(2)
    assert (done.stamped, done.waiting) == ([1, 2], [3, 4, 5])


def test_a_ledger_without_seals_has_nothing_to_stamp(site):
    done = site.stamper(site.local()).stamp_waiting()
    assert (done.stamped, done.waiting, done.fault) == ([], [], None)
    assert site.commit(0).stamper(site.local()).waiting() == []


def test_a_second_round_has_nothing_to_do(site):
    site.commit(2).stamper(site.local()).stamp_waiting()
    authority = site.local()
    assert site.stamper(authority).stamp_waiting().stamped == []
    assert authority.asked == []


def test_over_http_with_the_trial_authority_and_openssl(site):
    site.commit(2)
    forge = site.world.forge()
    forge.clock = site.clock
    with TrialAuthority(forge) as authority:
        transport = Rfc3161(authority.url, Outbound(limits=SHORT_LIMITS))
        done = site.stamper(transport, second_opinion=OpensslCheck.find()).stamp_waiting()
    assert (done.stamped, done.fault) == ([1, 2], None)
    assert site.check() == [1, 2]


def test_with_kamu_sm_until_the_credit_ends(site, tmp_path):
    site.commit(4)
    (tmp_path / "p").write_text("parola")
    forge = site.world.forge()
    forge.clock = site.clock
    server = KamuServer(forge, site.clock, {7: b"parola"}, credit=2)
    with server.serve() as peer:
        authority = KamuSm(peer.url, Outbound(limits=SHORT_LIMITS), 7, PasswordFile(tmp_path / "p"), site.clock)
        assert site.stamper(authority).stamp_waiting(2).stamped == [1, 2]
        server.book()
        done = site.stamper(authority).stamp_waiting()
    assert (done.stamped, done.waiting, done.code) == ([], [3, 4], "token.refused")
    assert "Kontör yetersiz" in done.fault
    assert len(peer.requests) == 3
    assert site.bad() == []


# stamping more rarely than sealing


def test_with_an_interval_only_the_newest_seal_is_stamped_when_it_is_time(site):
    authority = site.local()
    site.commit(3)

    def stamper():
        return site.stamper(authority, interval=timedelta(hours=6))

    assert stamper().stamp_waiting().stamped == [3]
    assert stamper().waiting() == []
    site.commit(5)
    site.clock.advance(3 * 3600)
    assert stamper().stamp_waiting() == stamper().stamp_waiting()
    assert stamper().stamp_waiting().stamped == []
    site.clock.advance(3 * 3600 + 1)
    assert stamper().waiting() == [5]
    assert stamper().stamp_waiting().stamped == [5]
    assert site.check() == [3, 5]
    assert site.stamper(interval=timedelta(hours=6)).waiting() == []


def test_with_an_interval_a_missing_authority_is_seen(site):
    done = site.commit(2).stamper(down(), interval=timedelta(hours=6)).stamp_waiting()
    assert (done.stamped, done.waiting, done.code) == ([], [2], "unavailable")


def test_a_last_token_of_the_future_or_a_damaged_one_covers_nothing(site):
    site.commit(1).stamper(site.local(), interval=timedelta(hours=6)).stamp_waiting()
    site.commit(2)
    site.clock.step(-3600)
    assert site.stamper(interval=timedelta(hours=6)).waiting() == [2]
    site.clock.step(3600)
    assert site.stamper(interval=timedelta(hours=6)).waiting() == []
    site.ledger.token(1).write_bytes(b"junk")
    assert site.stamper(interval=timedelta(hours=6)).waiting() == [2]


# authorities that fail


def test_an_authority_that_is_down_leaves_everything_waiting(site):
    authority = down()
    done = site.commit(3).stamper(authority).stamp_waiting()
    assert (done.stamped, done.waiting, done.code) == ([], [1, 2, 3], "unavailable")
    assert "tsa.example.org: no connection" in done.fault
    assert len(authority.asked) == 1
    assert site.check() == []
    assert site.markers() == []
    assert not list(site.ledger.seals.rglob("*.tsr*"))


def test_without_an_authority_nothing_is_asked_or_made(site):
    done = site.commit(2).stamper().stamp_waiting()
    assert (done.stamped, done.waiting, done.code) == ([], [1, 2], "unavailable")
    assert sorted(path.name for path in site.ledger.seals.rglob("*.*")) == [
        "seal-000001.manifest",
        "seal-000002.manifest",
    ]


def test_a_request_that_was_stored_is_sent_again_with_its_nonce(site):
    first, second = down(), site.local()
    site.commit(1).stamper(first).stamp_waiting()
    site.stamper(second).stamp_waiting()
    assert first.asked == second.asked
    assert site.check() == [1]


def test_fallbacks_are_asked_in_order_and_a_silent_one_once(site):
    silent, second, third = down(), site.local(), site.local()
    done = site.commit(3).stamper(silent, second, third).stamp_waiting()
    assert (done.stamped, done.waiting, done.code) == ([1, 2, 3], [], "unavailable")
    assert (len(silent.asked), len(second.asked), len(third.asked)) == (1, 3, 0)
    assert site.check() == [1, 2, 3]


def test_an_authority_with_a_broken_setting_is_passed_over(site):
    def answer(request):
        raise BadInput("not an http or https URL with a host")

    done = site.commit(1).stamper(Local(answer), site.local()).stamp_waiting()
    assert (done.stamped, done.code) == ([1], "bad_input")


def test_each_authority_is_judged_by_its_own_roots(site):
    """The second is good, but the anchors given with it are another's."""
    site.commit(1)
    stamper = site.stamper(down(), site.local())
    foreign = Trust(TrustAnchors.parse(site.world.rogue.pem))
    stamper._authorities = (stamper._authorities[0], (stamper._authorities[1][0], foreign))
    done = stamper.stamp_waiting()
    assert (done.stamped, done.waiting, done.code) == ([], [1], "token.chain")


LIES = {
    "wrong nonce": ({"state": {"nonce": 7}}, Reason.NONCE),
    "past": ({"at": NOW - timedelta(minutes=6)}, Reason.PAST),
    "future": ({"at": NOW + timedelta(minutes=6)}, Reason.FUTURE),
    "other policy": ({"state": {"policy": "1.2.3"}}, Reason.POLICY),
    "no ESS": ({"ess": lambda _: []}, Reason.ESS_MISSING),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lying_authority_stamps_nothing_and_its_replies_are_kept_but_never_used(site, name):
    twists, reason = LIES[name]
    authority = Local(site.world.forge(**twists).reply)
    done = site.commit(5).stamper(authority).stamp_waiting()
    assert (done.stamped, done.waiting, done.code) == ([], [1, 2, 3, 4, 5], reason)
    assert "local, seal" in done.fault
    assert len(authority.asked) == 3
    assert site.bad() == [f"seal-{seal:06d}.tsr.bad-1" for seal in (1, 2, 3)]
    assert site.check() == []
    assert site.stamper(site.local()).stamp_waiting().stamped == [1, 2, 3, 4, 5]


def test_the_token_of_another_seal_is_not_taken(site):
    site.commit(2)
    forge = site.world.forge()
    said = []
    authority = Local(lambda request: said.append(forge.reply(request)) or said[0])
    done = site.stamper(authority).stamp_waiting()
    assert (done.stamped, done.waiting, done.code) == ([1], [2], Reason.IMPRINT)
    assert site.check() == [1]


def test_a_lie_is_told_before_a_silence(site):
    liar = Local(site.world.forge(state={"nonce": 7}).reply)
    done = site.commit(1).stamper(liar, down()).stamp_waiting()
    assert (done.waiting, done.code) == ([1], Reason.NONCE)
    done = site.stamper(down(), liar).stamp_waiting()
    assert (done.waiting, done.code) == ([1], Reason.NONCE)


def test_few_bad_replies_are_kept_and_small_and_each_once(site):
    site.commit(1)
    huge = Local(lambda _: bytes(10 * MAX_REPLY_BYTES))
    for _ in range(3):
        assert site.stamper(huge).stamp_waiting().code == Reason.SIZE
    assert site.bad() == ["seal-000001.tsr.bad-1"]
    assert site.ledger.token(1).with_name("seal-000001.tsr.bad-1").stat().st_size == MAX_REPLY_BYTES
    for turn in range(2 * MAX_BAD_KEPT):
        site.stamper(Local(lambda _, turn=turn: b"junk %d" % turn)).stamp_waiting()
    assert len(site.bad()) == MAX_BAD_KEPT


def test_a_bad_reply_that_cannot_be_kept_is_still_told(site):
    class NoBad(Disk):
        def write_new(self, path, content, mode=0o640):
            if ".bad-" in path.name:
                raise OSError(errno.ENOSPC, "No space left on device")
            super().write_new(path, content, mode)

    site.disk = NoBad()
    done = site.commit(1).stamper(Local(lambda _: b"junk")).stamp_waiting()
    assert (done.code, site.bad()) == (Reason.FORM, [])


def test_what_openssl_refuses_is_not_a_stamp(site):
    class Against:
        def agree(self, reply, request, checked, anchors):
            raise TokenFault(Reason.CROSS_CHECK, "openssl refuses")

    done = site.commit(1).stamper(site.local(), second_opinion=Against()).stamp_waiting()
    assert (done.stamped, done.waiting, done.code) == ([], [1], Reason.CROSS_CHECK)
    assert site.bad() == ["seal-000001.tsr.bad-1"]


# damage on our side


@pytest.mark.parametrize(
    "content", [b"junk", b"", StampRequest.make(sha256(b"other")).der], ids=["junk", "empty", "other"]
)
def test_a_damaged_request_stops_its_seal_only(site, content):
    site.commit(3)
    site.ledger.request(2).write_bytes(content)
    done = site.stamper(site.local()).stamp_waiting()
    assert (done.stamped, done.waiting) == ([1, 3], [2])
    assert done.code in {"bad_input", "integrity"}
    assert site.ledger.request(2).read_bytes() == content


def test_a_missing_manifest_stops_its_seal_only(site):
    site.commit(3)
    site.ledger.manifest(1).unlink()
    done = site.stamper(site.local()).stamp_waiting()
    assert (done.stamped, done.waiting, done.code) == ([2, 3], [1], "integrity")


@pytest.mark.parametrize("head", [b"junk", b"\xff\xfe"])
def test_a_damaged_head_is_an_integrity_matter(site, head):
    site.commit(1)
    site.ledger.head.write_bytes(head)
    with pytest.raises(IntegrityError) as caught:
        site.stamper(site.local()).stamp_waiting()
    assert caught.value.exit_code is ExitCode.INTEGRITY


def test_two_stampers_do_not_stamp_at_once(site):
    lock = site.ledger.folder.parent / "run" / "stamp.lock"
    lock.parent.mkdir()
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="another process"):
            site.commit(1).stamper(site.local()).stamp_waiting()
    assert site.stamper(site.local()).stamp_waiting().stamped == [1]


def test_a_disk_that_cannot_be_read_is_said(site, monkeypatch):
    site.commit(1)
    stamper = site.stamper(site.local())

    def broken():
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(stamper, "_committed", broken)
    done = stamper.stamp_waiting()
    assert (done.stamped, done.waiting, done.code) == ([], [], "unavailable")
    assert "Input/output error" in done.fault


def test_an_error_without_words_is_named_by_its_kind(site, monkeypatch):
    stamper = site.commit(1).stamper(site.local())

    def broken():
        raise FileExistsError

    monkeypatch.setattr(stamper, "_finish_announced", broken)
    assert "FileExistsError" in stamper.stamp_waiting().fault
