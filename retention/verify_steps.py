"""The same proof as a list of named steps, for a page: what was checked, the result, the time, how far it goes.

A failed step ends the list where the next ones would stand on it; otherwise the rest is still checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from retention.layout import manifest_name, token_name
from some.digest import sha256
from some.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from retention.proof import RecordProof, Sealed, Source
    from some.record import RecordRef


class Name(StrEnum):
    """The steps; pages translate them."""

    RECORD = "record"
    SEGMENT = "segment"
    MANIFEST = "manifest"
    CHECKPOINT = "checkpoint"
    TOKEN = "token"  # noqa: S105 - the name of a step, no password
    RENEWAL = "renewal"


class Result(StrEnum):
    """How a step ended. `open`: it could not be judged (no stamp yet, or no roots given)."""

    HOLDS = "holds"
    FAILS = "fails"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `at`: the time that it proves (aware), None where it proves none; `scope`: what it speaks about."""

    name: Name
    result: Result
    scope: str
    text: str
    at: datetime | None = None


def verify_record(source: Source, ref: RecordRef) -> list[Step]:
    """Return the steps from one record to its time stamp; raises NotFound where it is not sealed."""
    try:
        proof = source.record(ref)
    except IntegrityError as fault:
        return [Step(Name.RECORD, Result.FAILS, str(ref), str(fault))]
    return [_record(ref, proof), *_seal_steps(source, proof.sealed)]


def verify_seal(source: Source, seal: int) -> list[Step]:
    """Return the steps of a whole seal, its segments included; raises NotFound where there is none."""
    try:
        sealed = source.sealed(seal)
    except IntegrityError as fault:
        return [Step(Name.MANIFEST, Result.FAILS, manifest_name(seal), str(fault))]
    names = ", ".join(segment.name for segment in sealed.manifest.segments) or "-"
    text = f"content, counts, tree and table of {len(sealed.manifest.segments)} segments are as the manifest says"
    first = _guarded(Name.SEGMENT, names, lambda: source.check_segments(sealed), text)
    return [first, *_seal_steps(source, sealed)]


def _record(ref: RecordRef, proof: RecordProof) -> Step:
    segment, seal = proof.segment, proof.sealed.manifest.seal
    text = f"line, salt and {len(proof.path)} siblings lead to the tree root of {segment.name} that seal {seal} states"
    return Step(Name.RECORD, Result.HOLDS, str(ref), text)


def _seal_steps(source: Source, sealed: Sealed) -> list[Step]:
    """Return the steps above the segments; signature and key hold already, `source.sealed` raises otherwise."""
    name = manifest_name(sealed.manifest.seal)
    key = source.ledger.public_key.name
    signed = Step(Name.MANIFEST, Result.HOLDS, name, f"signed with {key}", sealed.manifest.closed_at)
    return [signed, _checkpoint(source, sealed), _token(sealed), _renewal(source, sealed)]


def _checkpoint(source: Source, sealed: Sealed) -> Step:
    seal = sealed.manifest.seal
    try:
        found = source.checkpoint(seal)
    except IntegrityError as fault:
        return Step(Name.CHECKPOINT, Result.FAILS, "checkpoint", str(fault))
    if found is None:
        return Step(Name.CHECKPOINT, Result.OPEN, "checkpoint", f"it does not reach as far as seal {seal}")
    text = f"seal {seal} of {len(found.leaves)} under the signed root"
    return Step(Name.CHECKPOINT, Result.HOLDS, "checkpoint", text)


def _token(sealed: Sealed) -> Step:
    name = token_name(sealed.manifest.seal)
    if sealed.token is None:
        text = "no roots are given to check it against" if sealed.reply else "the seal waits for its time stamp"
        return Step(Name.TOKEN, Result.OPEN, name, text)
    late = (sealed.token.gen_time - sealed.manifest.closed_at).total_seconds()
    text = f"{sealed.token.authority}, {late:.0f} s after the seal closed"
    return Step(Name.TOKEN, Result.HOLDS, name, text, sealed.token.gen_time)


def _renewal(source: Source, sealed: Sealed) -> Step:
    name = token_name(sealed.manifest.seal)
    try:
        later = source.lister_of(sealed)
    except IntegrityError as fault:
        return Step(Name.RENEWAL, Result.FAILS, name, str(fault))
    if later is None:
        return Step(Name.RENEWAL, Result.OPEN, name, "no later seal lists this time stamp yet")
    stated, found = later.manifest.digest_of(name), sha256(sealed.reply).hex
    if stated != found:
        text = f"seal {later.manifest.seal} lists it as {stated}, its digest is {found}"
        return Step(Name.RENEWAL, Result.FAILS, name, text)
    at = later.token.gen_time if later.token else None
    return Step(Name.RENEWAL, Result.HOLDS, name, f"listed by seal {later.manifest.seal}", at)


def _guarded(name: Name, scope: str, check: Callable[[], None], text: str) -> Step:
    try:
        check()
    except IntegrityError as fault:
        return Step(name, Result.FAILS, scope, str(fault))
    return Step(name, Result.HOLDS, scope, text)
