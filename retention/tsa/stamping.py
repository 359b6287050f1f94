"""The queue of seals that wait for their stamp. Nothing is ever made up: no authority, no stamp, and it says so.

For each seal the order is: request stored (durable, with its nonce) -> asked -> strictly checked -> reply stored byte
for byte -> marker for the next manifest. A crash between any two of them loses nothing: the stored request is sent
again, and a marker that was announced but not set is set by the next round. A token is never overwritten.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retention.checkpoint import Checkpoint
from retention.layout import parse_token_name, token_name
from retention.tsa.fault import Reason, TokenFault
from retention.tsa.reply import MAX_REPLY_BYTES, read_token
from retention.tsa.request import MAX_REQUEST_BYTES, StampRequest
from retention.tsa.token import TOLERANCE, CheckedToken, Expected, check_reply
from some.diagnostics import named
from some.digest import sha256
from some.errors import BadInput, IntegrityError, SomeError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta
    from pathlib import Path

    from retention.layout import Ledger
    from retention.tsa.authority import Authority
    from retention.tsa.openssl import OpensslCheck
    from retention.tsa.trust import Trust
    from some.clock import Clock
    from some.durable import Disk

MAX_BAD_KEPT = 5
_MAX_BAD_SEALS = 3
_ANNOUNCED = ".announced"


class StampRefused(Unavailable):
    """The authority answered that it gives no stamp, and said why (no credit, unknown customer, its clock failed)."""

    code = "token.refused"


@dataclass(frozen=True, slots=True)
class StampRound:
    """What one round did: seals stamped, seals that still wait, and what stopped or hindered it (None: nothing).

    `code` is the dotted code of the (last) fault: `unavailable` and the like can wait, `token.*` must be looked at.
    """

    stamped: list[int]
    waiting: list[int]
    fault: str | None = None
    code: str | None = None


@dataclass(slots=True)
class _Round:
    """One round under way. Who is silent is not asked again; a few seals with bad replies end it: stamps cost money."""

    stamped: list[int] = field(default_factory=list)
    silent: set[int] = field(default_factory=set)
    bad_seals: int = 0
    fault: SomeError | None = None

    def note(self, fault: SomeError) -> None:
        """Keep the fault that the result shall name: one that must be looked at goes before one that can wait."""
        named("retention.tsa").warning("stamp.not_taken", code=fault.code, text=str(fault))
        if not isinstance(fault, Unavailable) or self.fault is None:
            self.fault = fault


class Stamper:
    """Stamps the committed seals of one ledger; no state of its own besides its collaborators."""

    def __init__(
        self,
        ledger: Ledger,
        authorities: Sequence[tuple[Authority, Trust]],
        *,
        clock: Clock,
        disk: Disk,
        lock: Path,
        interval: timedelta | None = None,
        second_opinion: OpensslCheck | None = None,
        tolerance: timedelta = TOLERANCE,
    ) -> None:
        """Take the authorities in the order in which they are asked; `lock` is `run/stamp.lock`.

        `interval`: stamp only the newest seal, and only when so long has passed since the last token; the older ones
        are covered by the chain of manifests. `second_opinion`: what `openssl` says must agree. `tolerance`:
        how far the authority's clock and ours may differ when a reply arrives; more is a clock that somebody must mend.
        """
        self._ledger = ledger
        self._authorities = tuple(authorities)
        self._clock = clock
        self._disk = disk
        self._lock = lock
        self._interval = interval
        self._second_opinion = second_opinion
        self._tolerance = tolerance

    def waiting(self) -> list[int]:
        """Return the committed seals that should have a stamp by now and have none, oldest first; never locks.

        Raises Unavailable (disk) or IntegrityError (the head is damaged).
        """
        with _disk_words():
            count = self._committed()
            if self._interval is None:
                return [seal for seal in range(1, count + 1) if not self._ledger.token(seal).exists()]
            return [count] if self._due(count, self._interval) else []

    def stamp_waiting(self, limit: int | None = None) -> StampRound:
        """Stamp up to `limit` waiting seals (None: all), oldest first, and say what happened.

        Raises Unavailable where another process is stamping, and IntegrityError where the head is damaged. What an
        authority or the disk does wrong does not raise: it stands in the result, and the seals go on waiting.
        """
        with self._alone():
            running = _Round()
            left: list[int] = []
            try:
                with _disk_words():
                    self._finish_announced()
                    for seal in self.waiting()[:limit]:
                        self._stamp(seal, running)
                        if len(running.silent) == len(self._authorities) or running.bad_seals == _MAX_BAD_SEALS:
                            break
                    left = self.waiting()
            except Unavailable as fault:
                running.note(fault)
                left = self._left()
        fault_now = running.fault
        return StampRound(
            running.stamped, left, str(fault_now) if fault_now else None, fault_now.code if fault_now else None
        )

    def _left(self) -> list[int]:
        """Say what waits although the disk just failed; where even that cannot be read, the fault says enough."""
        with contextlib.suppress(Unavailable):
            return self.waiting()
        return []

    def _stamp(self, seal: int, running: _Round) -> None:
        """Ask the authorities in turn for this seal; OSError of the disk goes up, everything else is noted."""
        if not self._authorities:
            running.note(Unavailable("no time-stamping authority is set (setting tsa.url)"))
            return
        try:
            request = self._request(seal)
        except (BadInput, IntegrityError) as fault:
            running.note(fault)
            return
        bad = False
        for place, (authority, trust) in enumerate(self._authorities):
            if place in running.silent:
                continue
            try:
                reply, checked = self._ask(seal, request, authority, trust)
            except TokenFault as fault:
                bad = True
                running.note(fault)
            except SomeError as fault:
                running.silent.add(place)
                running.note(fault)
            else:
                self._accept(seal, reply, running)
                named("retention.tsa").info(
                    "token.arrived", seal=seal, authority=authority.name, gen_time=checked.gen_time.isoformat()
                )
                return
        running.bad_seals += bad

    def _request(self, seal: int) -> StampRequest:
        """Return the stored request, or store a new one: its nonce is on the disk before anybody sees it."""
        try:
            digest = sha256(self._ledger.manifest(seal).read_bytes())
        except FileNotFoundError as fault:
            raise IntegrityError(f"the manifest of committed seal {seal} is missing") from fault
        path = self._ledger.request(seal)
        if not path.exists():
            request = StampRequest.make(digest)
            self._disk.write_new(path, request.der)
            return request
        request = StampRequest.parse(_read(path, MAX_REQUEST_BYTES + 1))
        if request.digest != digest:
            raise IntegrityError(f"the stored request of seal {seal} ({path.name}) is for another manifest")
        return request

    def _ask(self, seal: int, request: StampRequest, authority: Authority, trust: Trust) -> tuple[bytes, CheckedToken]:
        asked_at = self._clock.now()
        reply = authority.ask(request.der)
        expected = Expected(request.digest, request.nonce, asked_at - self._tolerance)
        try:
            checked = check_reply(reply, expected, trust.anchors, at=self._clock.now(), tolerance=self._tolerance)
            if self._second_opinion is not None:
                self._second_opinion.agree(reply, request.der, checked, trust.anchors)
        except TokenFault as fault:
            if fault.reason is Reason.REFUSED:
                raise StampRefused(f"{authority.name}: {fault}") from fault
            self._keep_bad(seal, reply)
            raise TokenFault(fault.reason, f"{authority.name}, seal {seal}: {fault}") from fault
        return reply, checked

    def _accept(self, seal: int, reply: bytes, running: _Round) -> None:
        """Store the reply and set its marker, so that no crash leaves a token that no manifest will ever list."""
        self._disk.make_folder(self._ledger.arrived)
        announced = self._ledger.arrived / f".{token_name(seal)}{_ANNOUNCED}"
        self._disk.write_new(announced, b"")
        self._disk.write_new(self._ledger.token(seal), reply)
        running.stamped.append(seal)  # whatever becomes of the marker: the next round sets it
        self._disk.rename(announced, self._ledger.arrived / token_name(seal))

    def _finish_announced(self) -> None:
        """Set the markers that a crash left announced; drop the announcement where no token followed."""
        for announced in sorted(self._ledger.arrived.glob(f".*{_ANNOUNCED}")):
            name = announced.name.removeprefix(".").removesuffix(_ANNOUNCED)
            seal = parse_token_name(name)
            if seal is not None and self._ledger.token(seal).exists():
                self._disk.rename(announced, self._ledger.arrived / name)
            else:
                self._disk.remove(announced)

    def _keep_bad(self, seal: int, reply: bytes) -> None:
        """Keep a reply that proves nothing, for whoever looks into it: few, small, and each only once."""
        token, kept = self._ledger.token(seal), reply[:MAX_REPLY_BYTES]
        places = [token.with_name(f"{token.name}.bad-{number}") for number in range(1, MAX_BAD_KEPT + 1)]
        try:
            if all(not place.exists() or place.read_bytes() != kept for place in places):
                free = next((place for place in places if not place.exists()), None)
                if free is not None:
                    self._disk.write_new(free, kept)
        except OSError as fault:
            named("retention.tsa").warning("bad_reply.not_kept", seal=seal, error=str(fault.strerror))

    def _committed(self) -> int:
        try:
            return Checkpoint.parse(self._ledger.head.read_text()).size
        except FileNotFoundError:
            return 0
        except UnicodeDecodeError as fault:
            raise IntegrityError("the head is no text") from fault

    def _due(self, count: int, interval: timedelta) -> bool:
        """Say whether the newest seal is to be stamped now; a damaged token or one of the future covers nothing."""
        newest = next((seal for seal in range(count, 0, -1) if self._ledger.token(seal).exists()), None)
        if newest == count or newest is None:
            return newest is None and count > 0
        try:
            passed = self._clock.now() - read_token(_read(self._ledger.token(newest), MAX_REPLY_BYTES + 1)).gen_time
        except TokenFault:
            return True
        return passed >= interval or passed < -self._tolerance

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold `run/stamp.lock`: two stampers would pay twice and race for the same file names."""
        with _disk_words():
            self._disk.make_folder(self._lock.parent)
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as fault:
                raise Unavailable("another process is stamping (run/stamp.lock)") from fault
            yield
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _disk_words() -> Iterator[None]:
    """Say an error of the disk as what it is here: nothing is lost, the seals wait for the next round."""
    try:
        yield
    except OSError as fault:
        raise Unavailable(f"the disk: {fault.strerror or type(fault).__name__}") from fault


def _read(path: Path, at_most: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(at_most)
