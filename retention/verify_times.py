"""Time as evidence: late stamps, gaps, age of the tail, waiting stamps, record times. Pure; findings carry numbers.

Hashes show that nothing changed; these rules show that nothing was made later, or left out, and then stamped all at
once. They warn and never accuse: an outage, a clock step or a weekend without power look the same (knowing which is
work for a person, and the manifests' notes help).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from retention.finding import Finding, Severity
from retention.layout import manifest_name, token_name
from some.clock import to_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from retention.manifest import Manifest
    from retention.verify_seals import SealResult

CLOCK_STEP = "clock-step"


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How much time may pass, in seconds, before a report says so.

    `late`: from closing to the token. `slack`: beyond the interval that the manifest promises. `skew`: between our
    clock and the authority's. `stamp_interval`: how rarely the site lets stamps be made (0: every seal).
    """

    late: float = 900.0
    slack: float = 300.0
    skew: float = 300.0
    stamp_interval: float = 0.0


@dataclass(frozen=True, slots=True)
class RecordSpan:
    """Earliest and latest reception time among the records of one seal."""

    earliest: datetime
    latest: datetime


def check_times(
    results: Sequence[SealResult],
    spans: Mapping[int, RecordSpan],
    as_of: datetime,
    limits: TimeLimits,
    *,
    stamping: bool,
) -> Iterator[Finding]:
    """Apply every rule; `stamping` is False where neither an authority is configured nor any token was ever asked."""
    sealed = [(result, result.manifest) for result in results if result.manifest is not None]
    for (_, before), (_, manifest) in pairwise(sealed):
        yield from _between_seals(before, manifest, limits)
    yield from _stamps(sealed, as_of, limits, stamping=stamping)
    yield from _between_stamps(sealed, limits)
    before_result: SealResult | None = None
    for result, manifest in sealed:
        if result.seal in spans:
            yield from _record_times(result, manifest, before_result, spans[result.seal], limits)
        before_result = result
    if sealed:
        yield from _tail(sealed[-1][1], as_of, limits)


def _warning(code: str, where: str, text: str) -> Finding:
    return Finding(code, Severity.WARNING, where, text)


def _between_seals(before: Manifest, manifest: Manifest, limits: TimeLimits) -> Iterator[Finding]:
    """Hold a seal against the interval that the earlier one promised: whoever makes the later cannot widen that."""
    gap = (manifest.closed_at - before.closed_at).total_seconds()
    where = manifest_name(manifest.seal)
    if gap > before.interval_s + limits.slack:
        text = f"closed {gap:.0f} s after seal {before.seal}, which promised the next within {before.interval_s} s"
        yield _warning("seal.gap", where, text)
    if gap < 0:
        stepped = any(note.key == CLOCK_STEP for note in manifest.notes)
        severity = Severity.NOTE if stepped else Severity.WARNING
        yield Finding("seal.order", severity, where, f"closed {-gap:.0f} s before seal {before.seal}")


def _stamps(
    sealed: Sequence[tuple[SealResult, Manifest]], as_of: datetime, limits: TimeLimits, *, stamping: bool
) -> Iterator[Finding]:
    """Look for stamps that are late, early or not there; a timely later stamp covers a seal that has none."""
    if not stamping:
        if sealed:
            yield Finding("stamp.none", Severity.NOTE, "tsa", f"{len(sealed)} seals, and no time-stamping authority")
        return
    waiting: list[Manifest] = []
    unsettled: list[Manifest] = []
    for result, manifest in sealed:
        unsettled.append(manifest)
        if result.stamp is not None:
            unsettled.pop()
            reach = timedelta(seconds=limits.late + limits.stamp_interval)
            waiting += [one for one in unsettled if result.stamp.gen_time - one.closed_at > reach]
            unsettled.clear()
            yield from _distance(manifest, result.stamp.gen_time, limits)
    waiting += unsettled
    if waiting:
        age = (as_of - waiting[0].closed_at).total_seconds()
        seals = ", ".join(_runs([manifest.seal for manifest in waiting]))
        text = f"{len(waiting)} seals wait for a time stamp ({seals}), the oldest for {age:.0f} s"
        yield _warning("stamp.waiting", manifest_name(waiting[0].seal), text)


def _runs(numbers: Sequence[int]) -> list[str]:
    """Return ascending numbers as runs: 3, 5-9."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ["-".join(map(str, run)) for run in runs]


def _distance(manifest: Manifest, gen_time: datetime, limits: TimeLimits) -> Iterator[Finding]:
    after = (gen_time - manifest.closed_at).total_seconds()
    if after > limits.late:
        text = f"stamped {after:.0f} s after it closed; {limits.late:.0f} s is the limit"
        yield _warning("stamp.late", token_name(manifest.seal), text)
    if -after > limits.skew:
        text = f"stamped {-after:.0f} s before it closed by the local clock, which was ahead"
        yield _warning("stamp.early", token_name(manifest.seal), text)


def _between_stamps(sealed: Sequence[tuple[SealResult, Manifest]], limits: TimeLimits) -> Iterator[Finding]:
    stamped = [(result.stamp, manifest) for result, manifest in sealed if result.stamp is not None]
    for (one, before), (two, manifest) in pairwise(stamped):
        gap = (two.gen_time - one.gen_time).total_seconds()
        limit = max(before.interval_s, limits.stamp_interval) + limits.slack
        if gap > limit:
            text = (
                f"{gap:.0f} s between the stamps of seals {before.seal} and {manifest.seal}; {limit:.0f} s is the limit"
            )
            yield _warning("stamp.gap", token_name(manifest.seal), text)
        elif gap < -limits.slack:
            text = f"stamped {-gap:.0f} s before the earlier seal {before.seal}"
            yield _warning("stamp.order", token_name(manifest.seal), text)


def _record_times(
    result: SealResult, manifest: Manifest, before: SealResult | None, span: RecordSpan, limits: TimeLimits
) -> Iterator[Finding]:
    """Look for records from before the last seal or after this token; a noted step of the clock explains them."""
    skew = timedelta(seconds=limits.skew)
    stepped = any(note.key == CLOCK_STEP for note in manifest.notes)
    severity = Severity.NOTE if stepped else Severity.WARNING
    if before is not None and before.manifest is not None:
        floor = min(before.manifest.closed_at, before.stamp.gen_time if before.stamp else before.manifest.closed_at)
        early = (floor - skew - span.earliest).total_seconds()
        if early > 0:
            text = f"a record of {to_text(span.earliest)} is {early:.0f} s too early to follow seal {before.seal}"
            yield Finding("record.time", severity, manifest_name(manifest.seal), text)
    ceiling = result.stamp.gen_time if result.stamp else manifest.closed_at
    if span.latest > ceiling + skew:
        text = f"a record of {to_text(span.latest)} is more than {limits.skew:.0f} s after {to_text(ceiling)}"
        yield Finding("record.time", severity, manifest_name(manifest.seal), text)


def _tail(last: Manifest, as_of: datetime, limits: TimeLimits) -> Iterator[Finding]:
    """Without a witness only its age shows that the end was cut off."""
    age = (as_of - last.closed_at).total_seconds()
    if age > last.interval_s + limits.slack:
        text = f"closed {age:.0f} s before {to_text(as_of)}; the next seal was due within {last.interval_s} s"
        yield _warning("tail.age", manifest_name(last.seal), text)
