"""What stands in one Windows event, whichever shipper wrote it: JSON or XML text in, a flat mapping of names out.

The names are those of the event's own schema: EventID, Computer, SystemTime, Channel, Provider, EventRecordID,
Keywords, and the names under EventData. JSON: winlogbeat (`winlog.event_data.*`, nested or dotted), NXLog and Fluent
Bit (flat), and the form of evtx tools (`Event.System`, `Event.EventData`). XML: as `wevtutil` and Windows Event
Forwarding write it, read by a scanner of our own that knows elements, five entities and character references: there
are no document types, no entity declarations and nothing to expand.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

MAX_CHARACTERS: Final = 1024 * 1024
"""An event of Windows has at most 64 KiB; what is longer is not read."""

_SCHEMA = frozenset({"EventID", "Computer", "SystemTime", "Provider", "Channel", "EventRecordID", "Keywords"})
_ENTITY = re.compile(r"&(?:(lt|gt|amp|quot|apos)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_LAST_CHARACTER = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)
_SIMPLE = re.compile(r"<(EventID|Computer|Channel|EventRecordID|Keywords)(?: [^<>]{0,200})?>([^<]{0,512})</\1>")
_ATTRIBUTES = {
    "SystemTime": re.compile(r"<TimeCreated [^<>]{0,200}?SystemTime=[\"']([^\"'<>]{0,64})[\"']"),
    "Provider": re.compile(r"<Provider [^<>]{0,200}?Name=[\"']([^\"'<>]{0,200})[\"']"),
}
_VALUE = re.compile(r"<Data Name=[\"']([^\"'<>]{1,128})[\"'](?: [^<>]{0,200}?)?(?:/>|>([^<]*)</Data>)")

Flat = dict[str, str]


def read(text: str, start: int) -> Flat | None:
    """Return the event that `text` holds from `start` on, or None where it holds none. Never raises."""
    if len(text) - start > MAX_CHARACTERS:
        return None
    return _from_json(text[start:]) if text.startswith("{", start) else _from_xml(text[start:])


def _from_xml(text: str) -> Flat | None:
    system, end = _inner(text, "System", 0)
    if "<!DOCTYPE" in text[:end]:
        return None
    told = [*_SIMPLE.findall(system)]
    told += [(name, found[1]) for name, pattern in _ATTRIBUTES.items() if (found := pattern.search(system))]
    flat: Flat = {}
    for name, value in _VALUE.findall(_inner(text, "EventData", end)[0]):
        flat.setdefault(name, _plain(value))
    return _named(flat, **{name: [_plain(value)] for name, value in told})


def _inner(text: str, name: str, start: int) -> tuple[str, int]:
    """Return what stands in the first element of that name after `start`, and where it ends; nothing where none is."""
    begin = text.find(f"<{name}", start)
    end = text.find(f"</{name}>", begin) if begin >= 0 else -1
    return ("", start) if end < 0 else (text[begin:end], end)


def _plain(text: str) -> str:
    """Return text with its entities and character references resolved; what is none stays as it is."""
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(found: re.Match[str]) -> str:
    if found[1]:
        return _ENTITIES[found[1]]
    code = int(found[2]) if found[2] else int(found[3], 16)
    return chr(code) if 0 < code <= _LAST_CHARACTER and code not in _SURROGATES else found[0]


def _from_json(text: str) -> Flat | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    event = found.get("Event")
    if isinstance(event, dict):
        return _of_evtx(event)
    if isinstance(found.get("winlog"), dict) or "winlog.event_id" in found:
        return _of_winlog(found)
    return _of_flat(found)


def _texts(values: object) -> Flat:
    """Return the named values that are single; numbers as text."""
    if not isinstance(values, dict):
        return {}
    return {name: text for name, value in values.items() if (text := _text(value)) is not None}


def _text(value: object) -> str | None:
    if isinstance(value, str):
        # JSON may hold half a surrogate pair, which is no character
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64:
        return str(value)
    if isinstance(value, dict):
        return _text(value.get("#text"))
    return None


def _named(flat: Flat, **sources: Any) -> Flat | None:
    """Return `flat` with the schema's names, each from the first of its sources that says something.

    What stands under EventData never passes for one of them.
    """
    flat = {name: value for name, value in flat.items() if name not in _SCHEMA}
    for name, values in sources.items():
        told = next((text for value in values if (text := _text(value))), None)
        if told is not None:
            flat[name] = told
    return flat if "EventID" in flat else None


def _of_evtx(event: dict[str, Any]) -> Flat | None:
    system = event.get("System")
    if not isinstance(system, dict):
        return None
    values = event.get("EventData")
    flat = _texts(values)
    listed = values.get("Data") if isinstance(values, dict) else None
    for one in listed if isinstance(listed, list) else ():
        name = _attribute(one, "Name")
        if name is not None and (text := _text(one)) is not None:
            flat[name] = text
    return _named(
        flat,
        EventID=[system.get("EventID")],
        Computer=[system.get("Computer")],
        SystemTime=[_attribute(system.get("TimeCreated"), "SystemTime")],
        Provider=[_attribute(system.get("Provider"), "Name")],
        Channel=[system.get("Channel")],
        EventRecordID=[system.get("EventRecordID")],
        Keywords=[system.get("Keywords")],
    )


def _attribute(element: object, name: str) -> str | None:
    """Return an XML attribute as evtx tools write it: `#attributes`, `@Name` or plain."""
    if not isinstance(element, dict):
        return None
    inner = element.get("#attributes")
    places = (inner if isinstance(inner, dict) else {}, element)
    return next((text for place in places for key in (name, f"@{name}") if (text := _text(place.get(key)))), None)


def _of_winlog(found: dict[str, Any]) -> Flat | None:
    winlog = found.get("winlog")
    if not isinstance(winlog, dict):
        winlog = {key.removeprefix("winlog."): value for key, value in found.items() if key.startswith("winlog.")}
    values = winlog.get("event_data")
    if not isinstance(values, dict):
        prefix = "event_data."
        values = {key.removeprefix(prefix): value for key, value in winlog.items() if key.startswith(prefix)}
    keywords = winlog.get("keywords")
    return _named(
        _texts(values),
        EventID=[winlog.get("event_id")],
        Computer=[winlog.get("computer_name")],
        SystemTime=[winlog.get("time_created"), found.get("@timestamp")],
        Provider=[winlog.get("provider_name")],
        Channel=[winlog.get("channel")],
        EventRecordID=[winlog.get("record_id")],
        Keywords=[*(keywords if isinstance(keywords, list) else [keywords]), winlog.get("outcome")],
    )


def _of_flat(found: dict[str, Any]) -> Flat | None:
    if not {"Computer", "Hostname", "SourceName", "ProviderName", "Channel"} & found.keys():
        return None  # some other program's JSON that happens to number its events
    return _named(
        _texts(found),
        EventID=[found.get("EventID"), found.get("EventId")],
        Computer=[found.get("Computer"), found.get("Hostname")],
        SystemTime=[found.get(name) for name in ("SystemTime", "TimeCreated", "EventTime", "@timestamp")],
        Provider=[found.get("SourceName"), found.get("ProviderName")],
        Channel=[found.get("Channel")],
        EventRecordID=[found.get("RecordNumber"), found.get("EventRecordID")],
        Keywords=[found.get("EventType"), found.get("Keywords")],
    )
