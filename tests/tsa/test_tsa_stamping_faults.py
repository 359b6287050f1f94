"""The queue under faults: every step of disk and authority x failed, failed but persisted, killed."""

from __future__ import annotations

import errno

import pytest
from tsa_site import Killed, Local

from retention.layout import token_name
from retention.tsa.trust import Trust
from some.durable import Disk
from some.errors import Unavailable

# the fault table: every step of the disk and of the authority x failed, failed but persisted, killed before or after


class Faulty(Disk):
    """Fails once, at the given step, in the given way."""

    def __init__(self, step, way):
        """Count from 1; `way` is failed, persisted, killed before, killed after."""
        self.left = step
        self.way = way

    def _turn(self, method, *arguments):
        self.left -= 1
        if self.left != 0:
            return method(*arguments)
        if self.way in {"persisted", "killed after"}:
            method(*arguments)
        raise Killed if self.way.startswith("killed") else OSError(errno.EIO, "Input/output error")

    def write_new(self, path, content, mode=0o640):
        """Fail or write."""
        return self._turn(super().write_new, path, content, mode)

    def rename(self, old, new):
        """Fail or rename."""
        return self._turn(super().rename, old, new)

    def remove(self, path):
        """Fail or remove."""
        return self._turn(super().remove, path)

    def make_folder(self, path, mode=0o750):
        """Fail or make."""
        return self._turn(super().make_folder, path, mode)


WAYS = ["failed", "persisted", "killed before", "killed after"]
STEPS = 11  # of two seals: the lock's folder, then request, folder, announcement, token, marker of each


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_whatever_the_disk_does_the_next_round_mends_it(site, step, way):
    site.commit(2)
    site.disk = Faulty(step, way)
    authority = site.local()
    try:
        done = site.stamper(authority).stamp_waiting()
    except (Killed, Unavailable):
        pass
    else:
        assert done.code == "unavailable"
        assert sorted(done.stamped + done.waiting) == [1, 2] or way == "persisted"
    assert site.disk.left <= 0, "the step was never reached"
    before = {path: path.read_bytes() for path in site.ledger.seals.rglob("*.tsr")}
    site.check()
    site.disk = Disk()
    done = site.stamper(authority).stamp_waiting()
    assert (done.waiting, done.fault) == ([], None)
    assert site.check() == [1, 2]
    assert site.markers() == [token_name(1), token_name(2)]
    assert all(path.read_bytes() == content for path, content in before.items())
    assert len(authority.nonces) == 2


def test_the_fault_table_has_every_step(site):
    site.disk = Faulty(10**6, "failed")
    site.commit(2).stamper(site.local()).stamp_waiting()
    assert 10**6 - site.disk.left == STEPS


@pytest.mark.parametrize("after", [False, True])
def test_killed_while_asking(site, after):
    site.commit(1)
    good = site.local()

    def answer(request):
        if after:
            good.ask(request)
        raise Killed

    dying = Local(answer)
    with pytest.raises(Killed):
        site.stamper(dying).stamp_waiting()
    assert site.check() == []
    assert site.stamper(good).stamp_waiting().stamped == [1]
    assert len(good.nonces | dying.nonces) == 1


def test_an_announcement_whose_name_is_nobodys_is_dropped(site):
    site.commit(1)
    site.ledger.arrived.mkdir()
    (site.ledger.arrived / ".seal-x.tsr.announced").touch()
    site.stamper(site.local()).stamp_waiting()
    assert site.markers() == [token_name(1)]


def test_a_listed_token_gets_no_second_marker(site):
    """The sealer removes a marker when a manifest lists its token: the next round must not set it again."""
    site.commit(1).stamper(site.local()).stamp_waiting()
    (site.ledger.arrived / token_name(1)).unlink()
    site.clock.advance(3600)
    site.stamper(site.local()).stamp_waiting()
    assert site.markers() == []


def test_a_trial_authority_is_marked_in_its_trust(world):
    assert Trust(world.anchors, trial=True).trial
    assert not Trust(world.anchors).trial
