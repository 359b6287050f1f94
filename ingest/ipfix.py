"""IPFIX (RFC 7011) and NetFlow version 9 (RFC 3954): messages, sets, templates, and the cut into single records.

Pure. A data record means nothing without the template that its exporter announced, perhaps half an hour before, in
another datagram. So `cut` makes of each data record a message of its own: the header as received (own length), the
template, the one data record. Such a record can be decoded by itself, years later, in any order. What cannot be cut
(no template known, a template that does not fit, options, templates, damage) is kept as it came.

Cutting stands before durability, so it never raises, loses no set, and is bounded: by the bytes of the datagram in
time, and by `_GROWTH` times that in what it gives back.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NETFLOW_9: Final = 9
IPFIX: Final = 10
FIRST_DATA_SET: Final = 256
REVERSE: Final = 29305
"""Enterprise number of reverse elements: the answer's direction of a biflow (RFC 5103)."""

_HEADERS: Final = {NETFLOW_9: struct.Struct(">HHIIII"), IPFIX: struct.Struct(">HHIII")}
_SET: Final = struct.Struct(">HH")
_WORD: Final = struct.Struct(">H")
_ENTERPRISE: Final = struct.Struct(">I")
_TEMPLATE_SETS: Final = {NETFLOW_9: 0, IPFIX: 2}
_OPTION_SETS: Final = {NETFLOW_9: 1, IPFIX: 3}
_VARIABLE: Final = 65_535
_LONG_FORM: Final = 255  # a variable length of 255 stands for: two more bytes tell it
_ALIGNED: Final = 8  # padding rounds up to 4 or 8 bytes
SET_HEADER: Final = _SET.size
_MESSAGE_BYTES: Final = 65_535  # what the length of a message can say
_GROWTH: Final = 16  # templates of real exporters make three to six bytes of one
_ALLOWANCE: Final = 4096
_CACHE_BYTES: Final = 32 * 1024 * 1024  # some four thousand templates of twenty-five fields
_TEMPLATE_COST: Final = 600  # objects and places in the dictionary
_SPEC_COST: Final = 32  # what a template's objects take for each byte of its spec, about


class Field(NamedTuple):
    """One field of a template: `length` in bytes, 65535 = each record tells it; `enterprise` 0 = the IANA registry.

    NetFlow 9 has no enterprise numbers: vendors take elements from 32768 on.
    """

    element: int
    length: int
    enterprise: int = 0


@dataclass(frozen=True, slots=True)
class Template:
    """What one data record consists of. `least` is the shortest record in bytes; `spec` is a whole template set."""

    number: int
    fields: tuple[Field, ...]
    options: bool
    spec: bytes
    least: int
    skips: tuple[int, ...]
    """Bytes of fixed fields before each variable one, and after the last; just one: all records are of one length."""

    def records(self, body: bytes) -> list[bytes] | None:
        """Return the data records of a set's content without padding; None where the template does not fit it."""
        if not self.least:
            return None
        found: list[bytes] = []
        position, size = 0, len(body)
        while position + self.least <= size:
            end = self.end(body, position)
            if end is None:
                break
            found.append(body[position:end])
            position = end
        rest = size - position
        # a template that is no longer the exporter's leaves more than padding behind
        if not found or (rest >= _ALIGNED and any(body[position:])):
            return None
        return found

    def end(self, body: bytes, position: int) -> int | None:
        """Return where the record at `position` ends, or None where `body` ends before it."""
        size = len(body)
        for skip in self.skips[:-1]:
            position += skip
            content = variable(body, position)
            if content is None:
                return None
            position = content[1]
        position += self.skips[-1]
        return position if position <= size else None


def variable(body: bytes, position: int) -> tuple[int, int] | None:
    """Return start and end of a variable-length value (RFC 7011 section 7), or None where `body` ends before it."""
    if position >= len(body):
        return None
    length, start = body[position], position + 1
    if length == _LONG_FORM:
        if start + _WORD.size > len(body):
            return None
        (length,) = _WORD.unpack_from(body, start)
        start += _WORD.size
    return (start, start + length) if start + length <= len(body) else None


def span(record: bytes, position: int, length: int) -> tuple[int, int]:
    """Return start and end of a field's value in a record that `Template.records` gave; `length` as in `Field`."""
    if length != _VARIABLE:
        return position, position + length
    return variable(record, position) or (position, position)


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `sets` are (set id, start, end) of contents, `end` where the message ends.

    `exported` in seconds since 1970; `uptime` is NetFlow 9's milliseconds since the exporter began, else None.
    """

    raw: bytes
    version: int
    exported: int
    uptime: int | None
    domain: int
    begin: int
    end: int
    sets: tuple[tuple[int, int, int], ...]

    def body(self, one: tuple[int, int, int]) -> bytes:
        """Return the content of a set."""
        return self.raw[one[1] : one[2]]

    def holds_records(self, one: tuple[int, int, int]) -> bool:
        """Tell data sets from sets of templates and from the reserved ones."""
        return one[0] >= FIRST_DATA_SET

    def made_of(self, parts: Sequence[bytes], count: int) -> bytes | None:
        """Return a message of whole sets under this one's header; None for one too long. `count` is NetFlow 9's."""
        size = _HEADERS[self.version].size
        length = size + sum(map(len, parts))
        if length > _MESSAGE_BYTES:
            return None
        head = _SET.pack(self.version, length if self.version == IPFIX else min(count, _MESSAGE_BYTES))
        return b"".join((head, self.raw[self.begin + _SET.size : self.begin + size], *parts))


def read(raw: bytes, begin: int = 0) -> Message | None:
    """Return the message at `begin`, or None where there is none or its sets do not add up.

    A NetFlow 9 message goes on to the end of `raw`. Zeros behind the last set are padding (seen with Palo Alto).
    """
    if len(raw) - begin < _SET.size:
        return None
    version, length = _SET.unpack_from(raw, begin)
    header = _HEADERS.get(version)
    if header is None or len(raw) - begin < header.size:
        return None
    parts = header.unpack_from(raw, begin)
    end = begin + length if version == IPFIX else len(raw)
    if end > len(raw) or end < begin + header.size:
        return None
    sets = _sets(raw, begin + header.size, end)
    if not sets:
        return None
    uptime = parts[2] if version == NETFLOW_9 else None
    exported = parts[3] if version == NETFLOW_9 else parts[2]
    return Message(raw, version, exported, uptime, parts[-1], begin, end, sets)


def _sets(raw: bytes, position: int, end: int) -> tuple[tuple[int, int, int], ...]:
    """Return the sets between `position` and `end`; nothing where they do not add up."""
    found: list[tuple[int, int, int]] = []
    while end - position >= _SET.size:
        number, length = _SET.unpack_from(raw, position)
        if length <= _SET.size or position + length > end:
            break
        found.append((number, position + _SET.size, position + length))
        position += length
    return () if any(raw[position:end]) else tuple(found)


def templates_of(message: Message, one: tuple[int, int, int]) -> list[Template] | None:
    """Return the templates that a set announces: none for a data set, None where they do not add up.

    Withdrawals announce nothing; over UDP there are none (RFC 7011 section 8.4).
    """
    options = one[0] == _OPTION_SETS[message.version]
    if not options and one[0] != _TEMPLATE_SETS[message.version]:
        return []
    body = message.body(one)
    found: list[Template] = []
    position = 0
    while len(body) - position >= _SET.size:
        number, count = _SET.unpack_from(body, position)
        if number < FIRST_DATA_SET:
            break
        withdrawn = message.version == IPFIX and not count
        read_so_far = (
            (None, position + _SET.size) if withdrawn else _template(body, position, message.version, options=options)
        )
        if read_so_far is None:
            return None
        template, position = read_so_far
        if template is not None:
            found.append(template)
    return None if any(body[position:]) and len(body) - position >= _SET.size else found


def _template(body: bytes, begin: int, version: int, *, options: bool) -> tuple[Template | None, int] | None:
    """Return the template at `begin` and where it ends, or None."""
    number, count = _SET.unpack_from(body, begin)
    position = begin + _SET.size
    if options:
        if len(body) - position < _WORD.size:
            return None
        (more,) = _WORD.unpack_from(body, position)
        position += _WORD.size
        if version == NETFLOW_9:  # lengths in bytes, of scope and of options, instead of numbers of fields
            count = (count + more) // _SET.size
    fields: list[Field] = []
    for _ in range(count):
        if len(body) - position < _SET.size:
            return None
        element, length = _SET.unpack_from(body, position)
        position += _SET.size
        enterprise = 0
        if version == IPFIX and element & 0x8000:
            if len(body) - position < _ENTERPRISE.size:
                return None
            (enterprise,) = _ENTERPRISE.unpack_from(body, position)
            position += _ENTERPRISE.size
            element &= 0x7FFF
        fields.append(Field(element, length, enterprise))
    sets = _OPTION_SETS if options else _TEMPLATE_SETS
    spec = _SET.pack(sets[version], _SET.size + position - begin) + body[begin:position]
    skips = _skips(fields)
    return Template(number, tuple(fields), options, spec, sum(skips) + len(skips) - 1, skips), position


def _skips(fields: Sequence[Field]) -> tuple[int, ...]:
    skips = [0]
    for one in fields:
        if one.length == _VARIABLE:
            skips.append(0)
        else:
            skips[-1] += one.length
    return tuple(skips)


class Templates:
    """The templates that exporters have announced. Bounded in bytes: what was not used for longest goes first.

    A template belongs to its transport session (RFC 7011 section 8), here the exporter's address and port, and its
    observation domain. A port that has announced nothing is read with what the address announced last: exporters
    change their port when they start again, and some send from several.
    """

    def __init__(self, limit_bytes: int = _CACHE_BYTES) -> None:
        """Know none."""
        self._limit = limit_bytes
        self._size = 0
        self._known: dict[tuple[object, ...], Template] = {}

    def __len__(self) -> int:
        """How many are remembered; each counts for its port and for its address."""
        return len(self._known)

    def learn(self, exporter: tuple[str, int], message: Message, template: Template) -> None:
        """Remember `template`; it takes the place of an earlier one of its number."""
        for key in self._keys(exporter, message, template.number):
            self._forget(key)
            self._known[key] = template
            self._size += _cost(template)
        while self._size > self._limit and self._known:
            self._forget(next(iter(self._known)))

    def find(self, exporter: tuple[str, int], message: Message, number: int) -> Template | None:
        """Return the template of that number, or None."""
        for key in self._keys(exporter, message, number):
            template = self._known.pop(key, None)
            if template is not None:
                self._known[key] = template  # used last
                return template
        return None

    def _keys(self, exporter: tuple[str, int], message: Message, number: int) -> Iterator[tuple[object, ...]]:
        rest = (message.version, message.domain, number)
        yield (*exporter, *rest)
        yield (exporter[0], None, *rest)

    def _forget(self, key: tuple[object, ...]) -> None:
        template = self._known.pop(key, None)
        if template is not None:
            self._size -= _cost(template)


def _cost(template: Template) -> int:
    return len(template.spec) * _SPEC_COST + _TEMPLATE_COST


@dataclass(slots=True)
class _Cutting:
    """One message under the knife."""

    message: Message
    exporter: tuple[str, int]
    templates: Templates
    budget: int
    records: list[bytes] = field(default_factory=list)
    kept: list[tuple[int, int, int]] = field(default_factory=list)
    needed: dict[bytes, None] = field(default_factory=dict)
    """Templates that describe kept sets, in order."""
    announced: set[bytes] = field(default_factory=set)

    def divide(self, one: tuple[int, int, int]) -> bool:
        """Make records of a data set; say whether that could be done."""
        template = self.templates.find(self.exporter, self.message, one[0])
        if template is None:
            return False
        if template.options:
            self.needed[template.spec] = None
            return False
        body = self.message.body(one)
        records = template.records(body)
        if records is None:
            return False
        made = [self._alone(template, one[0], record) for record in records] if self._affords(template, records) else []
        found = [record for record in made if record is not None]
        if len(found) < len(records):
            self.needed[template.spec] = None
            return False
        self.budget -= sum(map(len, found))
        self.records += found
        return True

    def _affords(self, template: Template, records: Sequence[bytes]) -> bool:
        """Tell a real template from one made to blow up what it describes."""
        each = len(template.spec) + _HEADERS[self.message.version].size + _SET.size
        return len(records) * each + sum(map(len, records)) <= self.budget

    def _alone(self, template: Template, number: int, record: bytes) -> bytes | None:
        length = _SET.size + len(record)
        return self.message.made_of((template.spec, _SET.pack(number, length), record), 2)

    def rest(self) -> bytes:
        """Return what was not cut: the message as received, if nothing was and nothing is needed beside it."""
        message = self.message
        needed = [spec for spec in self.needed if spec not in self.announced]
        if not self.records and not needed:
            return message.raw[message.begin : message.end]
        sets = [message.raw[start - _SET.size : end] for _, start, end in self.kept]
        whole = message.made_of([*needed, *sets], len(needed) + len(sets))
        return whole or message.made_of(sets, len(sets)) or message.raw[message.begin : message.end]


def cut(datagram: bytes, exporter: tuple[str, int], templates: Templates) -> list[bytes]:
    """Return the records of a datagram, at least one; templates that it announces are learned. Never raises.

    Every data record of a known template becomes a message of its own; all other sets of the message stay together in
    one more. A datagram that is neither IPFIX nor NetFlow 9, or is damaged, is returned as it is. An IPFIX datagram may
    hold several messages, one behind the other.
    """
    messages: list[Message] = []
    position = 0
    while position < len(datagram):
        message = read(datagram, position)
        if message is None:
            break
        messages.append(message)
        position = message.end
    announced = [[(one, templates_of(message, one)) for one in message.sets] for message in messages]
    damaged = any(found is None for sets in announced for _, found in sets)
    if not messages or damaged or any(datagram[position:]):
        return [datagram]
    found: list[bytes] = []
    for message, sets in zip(messages, announced, strict=True):
        budget = _GROWTH * (message.end - message.begin) + _ALLOWANCE
        cutting = _Cutting(message, exporter, templates, budget)
        found += _cut(cutting, [(one, listed or []) for one, listed in sets])
    whole = len(found) == 1 and found[0] == datagram[: messages[0].end]
    return [datagram] if whole else found  # with the zeros behind it


def _cut(cutting: _Cutting, sets: Sequence[tuple[tuple[int, int, int], list[Template]]]) -> list[bytes]:
    message = cutting.message
    early: list[tuple[int, int, int]] = []
    for one, announced in sets:
        for template in announced:
            cutting.announced.add(template.spec)
            cutting.templates.learn(cutting.exporter, message, template)
        if not message.holds_records(one):
            cutting.kept.append(one)
        elif not cutting.divide(one):
            early.append(one)
    # a set may stand before its template
    cutting.kept += [one for one in early if not cutting.divide(one)]
    cutting.kept.sort(key=lambda one: one[1])
    return [*cutting.records, cutting.rest()] if cutting.kept else cutting.records
