"""One record: what it says, where it stands in the archive, and what verifying it found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.ecs import FieldKind
from some.actor import Permission
from some.app.web import documents, frames
from some.app.web.ask import Ask
from some.app.web.ports import SealState
from some.app.web.record_pages import ChainLink, FieldValue, RecordPage, RecordPanel
from some.errors import BadInput, IntegrityError, NotFound, Unavailable
from some.record import RecordRef
from some.wording import marked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from some.app.web.call import Call
    from some.app.web.ports import Bundle, ProofStep, RecordPlace
    from some.index.engine import Document
    from some.record import StoredRecord

MAX_SHOWN = 64 * 1024
MAX_FILTER = 400


def page(call: Call, ref: RecordRef, proof: Sequence[ProofStep] = ()) -> RecordPage:
    """Return the page of one record; raises NotFound also for classes that the visitor may not see."""
    status = call.edge.ports.archive.status()
    shown = panel(call, ref, proof=proof, ask=Ask())
    return RecordPage(frames.framed(call, "Record", "records", status), shown)


def verified(call: Call, ref: RecordRef) -> RecordPage:
    """Verify one record from bytes and return its page with every step's result."""
    _visible(call, ref)
    call.audit("record.verified", {}, str(ref))
    return page(call, ref, call.edge.ports.archive.verify_record(ref))


def exported(call: Call, ref: RecordRef, request_no: str, purpose: str) -> Bundle:
    """Return the evidence package of one record, written down with its reason first."""
    _visible(call, ref)
    call.audit("record.exported", {"request_no": request_no, "purpose": purpose}, str(ref))
    return call.edge.ports.archive.export_record(ref)


def panel(call: Call, ref: RecordRef, *, proof: Sequence[ProofStep] = (), ask: Ask | None = None) -> RecordPanel:
    """Return everything about one record; opening it is written down. Filter links lead into `ask`."""
    document, stored, place, fault = _gathered(call, ref)
    call.audit("record.opened", {}, str(ref))
    leaves = documents.flat(document) if document else {}
    raw = stored.raw.decode("utf-8", "replace") if stored else documents.first(leaves, "event.original")
    received = stored.received_at if stored else None
    return RecordPanel(
        ref=str(ref),
        path=f"/kayitlar/{ref}",
        at=documents.moment(leaves) if leaves else stored.received_at if stored else call.now,
        received_at=received,
        source=stored.source if stored else documents.first(leaves, "some.source"),
        origin=stored.origin if stored else documents.first(leaves, "some.origin"),
        record_class=stored.record_class if stored else documents.first(leaves, "some.class"),
        raw=raw[:MAX_SHOWN],
        raw_size=len(stored.raw) if stored else len(raw.encode()),
        fields=[] if not leaves else _fields(call, leaves, ask),
        place=place,
        place_fault=fault,
        chain=_chain(call, ref, place) if place else (),
        proof=proof,
        error=documents.first(leaves, "error.message")
        if documents.first(leaves, "event.kind") == "pipeline_error"
        else "",
        may_export=call.may(Permission.RECORDS_EXPORT),
        may_verify=call.may(Permission.SEALS_VERIFY),
    )


def parse_ref(ledger: str, segment: str, position: str) -> RecordRef:
    """Return the reference in a path; raises NotFound, because an address that names nothing is not found."""
    try:
        return RecordRef.parse(f"{ledger}/{segment}/{position}")
    except BadInput as error:
        raise NotFound(str(error)) from error


def _gathered(call: Call, ref: RecordRef) -> tuple[Document | None, StoredRecord | None, RecordPlace | None, str]:
    """Return document, bytes and place of `ref`, as far as each can be had; raises NotFound where neither is."""
    document = call.edge.ports.engine.get(ref)
    stored, place, fault = None, None, ""
    try:
        stored = call.edge.ports.archive.record(ref)
        place = call.edge.ports.archive.place(ref)
    except NotFound:
        if document is None:
            raise
        fault = call._("The index holds this record, the archive does not: run “some verify”.")
    except IntegrityError as error:
        fault = call._("The segment is damaged: {detail}").format(detail=error)
    except Unavailable as error:
        fault = call._("The archive does not answer: {detail}").format(detail=error)
    kind = stored.record_class if stored else (document or {}).get("some", {}).get("class", "")
    if kind not in call.classes:
        raise NotFound(f"no record {ref}")
    return document, stored, place, fault


def _visible(call: Call, ref: RecordRef) -> None:
    if call.edge.ports.archive.record(ref).record_class not in call.classes:
        raise NotFound(f"no record {ref}")


def _fields(call: Call, leaves: dict[str, Any], ask: Ask | None) -> list[FieldValue]:
    registry = call.edge.ports.fields
    shown = []
    for name, value in leaves.items():
        if name in documents.HIDDEN:
            continue
        kind = registry.get(name)
        texts = documents.values(value)
        if kind is not None and kind.kind == FieldKind.DATE:
            texts = [call.display.exact(documents.moment({name: text}, name)) for text in texts]
        can_filter = (
            ask is not None and kind is not None and kind.kind != FieldKind.DATE and len(texts[0]) <= MAX_FILTER
        )
        shown.append(
            FieldValue(
                name=name,
                label=documents.label(kind, call.language),
                value=", ".join(texts),
                with_href=ask.with_filter(name, texts[0]) if ask is not None and can_filter else "",
                without_href=ask.with_filter(name, texts[0], negated=True) if ask is not None and can_filter else "",
            )
        )
    return shown


def _chain(call: Call, ref: RecordRef, place: RecordPlace) -> list[ChainLink]:
    show, seal = call.display, place.seal
    number = f"#{show.number(seal.number)}" if seal and seal.number is not None else ""
    committed = seal is not None and seal.committed_at is not None
    stamped = seal is not None and seal.stamped_at is not None
    kind = call.edge.renderer.words(call.language).record_class(place.record_class)
    stamp_state = SealState.OPEN
    if seal is not None and seal.stamped_at is not None:
        stamp_state = seal.state if seal.state in (SealState.LATE, SealState.VERIFIED) else SealState.STAMPED
    stamp_text = show.second(seal.stamped_at) if seal and seal.stamped_at else call._(marked("waits"))
    return [
        ChainLink(call._("Line"), call._("position {n}").format(n=show.number(ref.position)), SealState.CLOSED, True),
        ChainLink(
            call._("Segment"),
            f"{show.number(ref.segment)} · {kind}",
            SealState.CLOSED if seal else SealState.OPEN,
            True,
        ),
        ChainLink(
            call._("Manifest"),
            call._("seal {number}").format(number=number) if committed else call._("open"),
            SealState.COMMITTED if committed else SealState.OPEN,
            committed,
        ),
        ChainLink(call._("Time stamp"), stamp_text, stamp_state, stamped),
    ]
