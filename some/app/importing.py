"""`some append` and `some parse`: standard input into the archive, or through the parsers alone."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.framing import BLOCK_LINES, Framing, framer, join_messages
from ingest.import_framing import FRAMINGS, cut
from some.app import wiring
from some.errors import BadInput, Unavailable, UsageFault
from some.record import MAX_RECORD_BYTES, RecordBlock, RecordClass, RecordRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from typing import BinaryIO

    from some.app.site import Site
    from some.record import Appended, Sink

READ_BYTES = 1024 * 1024
UNDER_WAY = 32
"""Blocks handed over and not yet durable: enough for group commit, bounded in memory."""

ANSWER_S = 600.0

LINES = "lines"


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What `some append` was told; `received`: each line begins with its original receive time and a tab."""

    source: str
    record_class: str
    framing: str
    received: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """How many records are durable, and the first and last reference (None where nothing came)."""

    records: int
    first: RecordRef | None
    last: RecordRef | None


def append(site: Site, stream: BinaryIO, order: ImportOrder) -> Imported:
    """Append the records of `stream`; returns when all are durable.

    Raises UsageFault, Unavailable, UnknownState; BadInput where the framing does not fit, which says how many records
    were appended before.
    """
    _known(order.framing)
    source, record_class = _name_and_class(site, order)
    # The claim stays in the line: what the archive holds is what came. The parser takes it as *claimed* time.
    origin = f"import:{source}{';received' if order.received else ''}"
    blocks = (
        RecordBlock(site.clock.now(), source, origin + marks, record_class, payload, count)
        for payload, count, marks in (_cut(stream) if order.framing == LINES else _joined(stream, order))
    )
    with wiring.open_sink(site) as sink:
        return _hand_over(sink, blocks)


def parsed(stream: BinaryIO, format_name: str, site: Site, framing: str = LINES) -> Iterator[dict[str, Any]]:
    """Yield one nested ECS document for each record of `stream`, in order."""
    from ingest.parsing import AUTO, FORMATS, parse_lines  # noqa: PLC0415 - the parsers are not needed to append

    _known(framing)
    if format_name not in (AUTO, *FORMATS):
        raise UsageFault(f"--format {format_name}: not known; expected {AUTO} or one of {', '.join(FORMATS)}")
    records = cut(framing, _chunks(stream))
    yield from parse_lines(records, format_name, now=site.clock.now(), timezone=site.zone)


def _known(framing: str) -> None:
    if framing not in FRAMINGS:
        raise UsageFault(f"--framing {framing}: not known; expected one of {', '.join(FRAMINGS)}")


def _name_and_class(site: Site, order: ImportOrder) -> tuple[str, RecordClass]:
    """Return source and class; a class that contradicts the declared source is a usage fault."""
    sources = wiring.sources(site)
    name = order.source or "import"
    known = sources.sources.get(name)
    declared = known.record_class if known is not None else None
    if declared is not None and order.record_class and order.record_class != declared:
        raise UsageFault(f"source {name} has class {declared}, not {order.record_class}")
    wanted = declared or order.record_class or site.settings.collect.default_class
    try:
        RecordBlock(site.clock.now(), name, "import:x", RecordClass(wanted), b"\n", 1)
    except ValueError as fault:
        raise UsageFault(str(fault)) from fault
    return name, RecordClass(wanted)


def _cut(stream: BinaryIO) -> Iterator[tuple[bytes, int, str]]:
    cutter = framer(Framing.NEWLINE, MAX_RECORD_BYTES)
    ended = True
    while chunk := stream.read(READ_BYTES):
        ended = chunk.endswith(b"\n")
        for framed in cutter.feed(chunk):
            yield framed.payload, framed.count, framed.marks
    # A last line without LF is whole here: the end of a file is not a broken connection.
    for framed in [*([] if ended else cutter.feed(b"\n")), *cutter.end()]:
        yield framed.payload, framed.count, framed.marks


def _joined(stream: BinaryIO, order: ImportOrder) -> Iterator[tuple[bytes, int, str]]:
    """Yield records of more than a line in blocks of about a chunk; all that came before a fault are yielded first."""
    records: list[bytes] = []
    size = 0
    try:
        for record in cut(order.framing, _chunks(stream), received=order.received):
            records.append(record)
            size += len(record)
            if size >= READ_BYTES or len(records) >= BLOCK_LINES:
                yield join_messages(records), len(records), ""
                records, size = [], 0
    except BadInput as fault:
        if records:
            yield join_messages(records), len(records), ""
        raise BadInput(str(fault)) from fault
    if records:
        yield join_messages(records), len(records), ""


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(READ_BYTES):
        yield chunk


def _hand_over(sink: Sink, blocks: Iterable[RecordBlock]) -> Imported:
    under_way: deque[Future[Appended]] = deque()
    records, first, last = 0, None, None

    def settle() -> None:
        nonlocal records, first, last
        try:
            appended = under_way.popleft().result(ANSWER_S)
        except TimeoutError as fault:
            raise Unavailable(f"the archive did not answer in {ANSWER_S:.0f} s") from fault
        records += appended.records
        if first is None:
            first = appended.first
        last = appended.last

    broken: BadInput | None = None
    try:
        for block in blocks:
            under_way.append(sink.submit(block))
            if len(under_way) >= UNDER_WAY:
                settle()
    except BadInput as fault:
        broken = fault
    while under_way:
        settle()
    if broken is not None:
        raise BadInput(f"{broken}; {records} records before it are in the archive, the last one is {last}") from broken
    return Imported(records, first, last)
