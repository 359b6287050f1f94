"""From documents to facts, a table at a time: Arrow's own code, which needs the interpreter for a few values only.

`of_documents` is what the follower calls for whole tables of documents in storage form; `facts` is the same for one
parsed batch, as `Fact` values. Both depend on the records and on what is declared of their source, on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ingest.ecs import FIELD
from ingest.fact_words import FactWord, LoginMethod
from some.index import tables
from some.index.facts.columns import SCHEMAS, facts_of
from some.index.facts.fact import Fact, Layer
from some.index.facts.persons import Kind, kind, normalised
from some.index.fields import POSITION, SEGMENT, TIME
from some.index.storage import arrow_type, pack_ip, unpack_ip

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.parsing import Batch
    from some.index.facts.sites import Sites
    from some.index.segments import SourceRun

_SECOND: Final = 1_000_000
_MAX_PORT: Final = 65_535
_FOR_EVER_S: Final = 2**32
"""The longest lease that DHCP can grant (RFC 2131: 32 bits, all ones is for ever)."""


class _When(StrEnum):
    """When an end of a row is one that the record tells."""

    NEVER = "never"
    ALWAYS = "always"
    TOLD = "told"  # where the field is there
    EARLIER = "earlier"  # where event.start is there and before @timestamp


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a word says: `starts` and `ends` whether event.start and event.end count; which ends are then known."""

    layer: Layer
    starts: bool = False
    ends: bool = False
    opens: _When = _When.NEVER
    closes: _When = _When.NEVER


_RULES: Final = {
    FactWord.SESSION: _Rule(Layer.NAT, True, True, _When.TOLD, _When.TOLD),
    FactWord.SESSION_PROXIED: _Rule(Layer.NAT, True, True, _When.TOLD, _When.TOLD),
    FactWord.SESSION_OPENED: _Rule(Layer.NAT, opens=_When.ALWAYS),
    FactWord.SESSION_SEEN: _Rule(Layer.NAT, starts=True, opens=_When.TOLD),
    FactWord.SESSION_CLOSED: _Rule(Layer.NAT, True, True, _When.TOLD, _When.ALWAYS),
    FactWord.TRANSLATION_OPENED: _Rule(Layer.NAT, opens=_When.ALWAYS),
    FactWord.TRANSLATION_CLOSED: _Rule(Layer.NAT, True, True, _When.TOLD, _When.ALWAYS),
    FactWord.BLOCK_OPENED: _Rule(Layer.NAT, opens=_When.ALWAYS),
    FactWord.BLOCK_CLOSED: _Rule(Layer.NAT, True, True, _When.TOLD, _When.ALWAYS),
    FactWord.LEASE_GRANTED: _Rule(Layer.LEASE),
    FactWord.LEASE_ENDED: _Rule(Layer.LEASE, closes=_When.ALWAYS),
    FactWord.LOGIN: _Rule(Layer.IDENTITY, opens=_When.ALWAYS),
    # some formats put the moment itself into event.start: only an earlier start is when somebody signed in
    FactWord.LOGIN_SEEN: _Rule(Layer.IDENTITY, starts=True, opens=_When.EARLIER),
    FactWord.LOGOUT: _Rule(Layer.IDENTITY, starts=True, opens=_When.EARLIER, closes=_When.ALWAYS),
    FactWord.RESTART: _Rule(Layer.IDENTITY, closes=_When.ALWAYS),
}
_WORDS: Final = pa.array([word.value for word in _RULES])
_WITHOUT_TARGET: Final = pa.array([word.value for word in _RULES if word.startswith(("translation.", "block."))])
_METHODS: Final = pa.array([method.value for method in LoginMethod])
_NOWHERE: Final = pa.array([pack_ip("0.0.0.0"), pack_ip("::")], pa.binary())  # noqa: S104 - not an address to listen on

NEEDED: Final = (
    TIME,
    "event.start",
    "event.end",
    "source.ip",
    "source.port",
    "source.nat.ip",
    "source.nat.port",
    "source.mac",
    "source.user.name",
    "destination.ip",
    "destination.port",
    "client.ip",
    "client.mac",
    "network.transport",
    "host.hostname",
    "user.name",
    "observer.hostname",
    "observer.ip",
    "observer.serial_number",
    "log.syslog.hostname",
    "some.assigned.ip",
    "some.fact",
    "some.lease.duration",
    "some.login.method",
    "some.nat.port_first",
    "some.nat.port_last",
    "some.session.id",
    "some.vdom",
)
"""The fields that facts are made of."""

_OWN: Final = ("some.source", "some.received_at", SEGMENT, POSITION)


def facts(batch: Batch, run: SourceRun, segment: int, ledger: str, sites: Sites) -> list[Fact]:
    """Return what the records of a batch attest, in the batch's order layer by layer.

    `batch` is what `run` (the records of one source) was parsed to; `segment` and `run.places` say where they stand.
    """
    if "some.fact" not in batch.columns:
        return []
    held = of_documents(tables.narrow(batch, run, segment, NEEDED), sites)
    return [
        one
        for layer, table in held.items()
        for one in facts_of(
            layer, ledger, table.column_names, zip(*(column.to_pylist() for column in table.columns), strict=True)
        )
    ]


def of_documents(documents: pa.Table, sites: Sites) -> dict[Layer, pa.Table]:
    """Return the facts of documents in storage form, by layer; layers of which there are none are left out."""
    present = set(documents.column_names)
    if "some.fact" not in present:
        return {}
    narrow = documents.select([name for name in (*NEEDED, *_OWN) if name in present])
    made: dict[Layer, pa.Table] = {}
    for layer in Layer:
        words = pa.array([word.value for word, rule in _RULES.items() if rule.layer is layer])
        chosen = pc.is_in(narrow.column("some.fact"), value_set=words)
        if not pc.any(chosen).as_py():
            continue
        rows = narrow if pc.all(chosen).as_py() else narrow.filter(chosen)
        made[layer] = _LAYERS[layer](_Rows(rows), sites)
    return {layer: table for layer, table in made.items() if table.num_rows}


class _Rows:
    """Documents of one layer's words; a field that nobody has is a column of nothing."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self.count = rows.num_rows
        self._codes = pc.index_in(rows.column("some.fact"), value_set=_WORDS)

    def __getitem__(self, name: str) -> Any:
        if name in self._rows.column_names:
            return self._rows.column(name).combine_chunks()
        return pa.nulls(self.count, arrow_type(FIELD[name]))

    def first(self, *names: str) -> Any:
        """Return for each row the first of the fields that it has."""
        return pc.coalesce(*(self[name] for name in names))

    def whether(self, ask: Callable[[_Rule], bool]) -> Any:
        """Return for each row what `ask` says of its word's rule."""
        return pa.array([ask(rule) for rule in _RULES.values()], pa.bool_()).take(self._codes).combine_chunks()

    def is_word(self, words: pa.Array) -> Any:
        """Return for each row whether its word is one of these."""
        return pc.is_in(self["some.fact"], value_set=words)


def _always(rows: _Rows, device: Any) -> dict[str, Any]:
    """Return the columns that every layer has, but for addresses, persons and the site."""
    at, start, end = rows[TIME], rows["event.start"], rows["event.end"]
    began = pc.if_else(rows.whether(lambda rule: rule.starts), pc.coalesce(start, at), at)
    ended = pc.if_else(rows.whether(lambda rule: rule.ends), pc.coalesce(end, at), at)
    known_from, known_to = pc.min_element_wise(began, ended), pc.max_element_wise(began, ended)
    told, earlier = pc.is_valid(start), pc.fill_null(pc.less(start, at), False)
    lasted = _whole(pc.subtract(known_to, known_from))
    session_ = pc.binary_join_element_wise(
        pc.coalesce(device, rows["some.source"]), pc.fill_null(rows["some.vdom"], ""), rows["some.session.id"], "/"
    )
    return {
        "word": rows["some.fact"],
        "source": rows["some.source"],
        "known_from": known_from,
        "known_to": known_to,
        "opens": _ends(rows, lambda rule: rule.opens, told, earlier),
        "closes": _ends(rows, lambda rule: rule.closes, pc.is_valid(end), earlier),
        "received": rows["some.received_at"],
        # a start that is the end less a duration in whole seconds is as coarse as the duration
        "whole_seconds": pc.or_(_whole(at), pc.and_(pc.and_(rows.whether(lambda rule: rule.starts), told), lasted)),
        "device": device,
        "session": session_,
        SEGMENT: rows[SEGMENT],
        POSITION: rows[POSITION],
    }


def _ends(rows: _Rows, ask: Callable[[_Rule], _When], told: Any, earlier: Any) -> Any:
    where_told = pc.and_(rows.whether(lambda rule: ask(rule) is _When.TOLD), told)
    where_earlier = pc.and_(rows.whether(lambda rule: ask(rule) is _When.EARLIER), earlier)
    return pc.or_(rows.whether(lambda rule: ask(rule) is _When.ALWAYS), pc.or_(where_told, where_earlier))


def _whole(microseconds: Any) -> Any:
    return pc.equal(pc.multiply(pc.divide(microseconds, _SECOND), _SECOND), microseconds)


def _nat(rows: _Rows, sites: Sites) -> pa.Table:
    device = _device(rows, *_OBSERVERS, "observer.ip")
    person = rows.first("source.user.name", "user.name")
    targeted = pc.invert(rows.is_word(_WITHOUT_TARGET))
    return _table(
        Layer.NAT,
        {
            **_always(rows, device),
            **_named(person),
            "site": _mapped(rows["some.source"], sites.of_source),
            "inner_ip": _somewhere(rows["source.ip"]),
            "inner_port": _port(rows["source.port"]),
            "public_ip": _somewhere(rows["source.nat.ip"]),
            "public_port": _port(rows["source.nat.port"]),
            "port_first": _port(rows["some.nat.port_first"]),
            "port_last": _port(rows["some.nat.port_last"]),
            "target_ip": _only(targeted, rows["destination.ip"]),
            "target_port": _only(targeted, _port(rows["destination.port"])),
            "transport": rows["network.transport"],
            "mac": rows["source.mac"],
        },
    )


def _lease(rows: _Rows, sites: Sites) -> pa.Table:
    device = _device(rows, *_OBSERVERS, "observer.ip")
    always = _always(rows, device)
    lasts = rows["some.lease.duration"]
    sound = pc.and_(pc.greater_equal(lasts, 0), pc.less_equal(lasts, _FOR_EVER_S))
    promised_to = pc.add(rows[TIME], pc.multiply(_only(sound, lasts), _SECOND))
    return _table(
        Layer.LEASE,
        {
            **always,
            "site": _mapped(rows["some.source"], sites.of_source),
            "inner_ip": _somewhere(rows["client.ip"]),
            "mac": rows["client.mac"],
            "host": rows["host.hostname"],
            "promised_to": _only(rows.is_word(pa.array([FactWord.LEASE_GRANTED.value])), promised_to),
        },
    )


def _identity(rows: _Rows, sites: Sites) -> pa.Table:
    # the NAS first: a syslog header names the RADIUS server, and a restart ends the logins of the NAS
    device = _device(rows, "observer.ip", *_OBSERVERS)
    person = rows.first("user.name", "source.user.name")
    somebody = pc.invert(rows.is_word(pa.array([FactWord.RESTART.value])))
    assigned = pc.is_valid(rows["some.assigned.ip"])
    address = _somewhere(rows.first("some.assigned.ip", "client.ip", "source.ip"))
    outside = rows.first("source.ip", "client.ip")
    method = rows["some.login.method"]
    table = _table(
        Layer.IDENTITY,
        {
            **_always(rows, device),
            **_named(_only(somebody, person)),
            "site": _login_sites(rows, outside, sites),
            "inner_ip": _only(somebody, address),
            "public_ip": _only(pc.and_(assigned, pc.not_equal(outside, address)), outside),
            "mac": _only(somebody, rows.first("client.mac", "source.mac")),
            "method": _only(pc.is_in(method, value_set=_METHODS), method),
        },
    )
    machines = pa.array(
        [name for name in pc.unique(person).to_pylist() if name and kind(name) is Kind.HOST], pa.string()
    )
    return table.filter(pc.invert(pc.and_(somebody, pc.is_in(person, value_set=machines)))) if len(machines) else table


_LAYERS: Final = {Layer.NAT: _nat, Layer.LEASE: _lease, Layer.IDENTITY: _identity}
_OBSERVERS: Final = ("observer.serial_number", "observer.hostname", "log.syslog.hostname")


def _login_sites(rows: _Rows, client: Any, sites: Sites) -> pa.Array:
    sources = rows["some.source"]
    if not any(sites.maps_logins(source) for source in pc.unique(sources).to_pylist()):
        return _mapped(sources, sites.of_source)
    observers, clients = _mapped(rows["observer.ip"], unpack_ip), _mapped(client, unpack_ip)
    keys = zip(sources.to_pylist(), observers.to_pylist(), clients.to_pylist(), strict=True)
    return pa.array([sites.of_login(*key) for key in keys], pa.string())


def _device(rows: _Rows, *names: str) -> Any:
    return pc.coalesce(*(_mapped(rows[name], unpack_ip) if name == "observer.ip" else rows[name] for name in names))


def _named(person: Any) -> dict[str, Any]:
    """Return the columns of persons: as written, and the normalised spelling."""
    keys = _mapped(person, normalised)
    return {"person": _only(pc.is_valid(keys), person), "person_key": keys}


def _mapped(column: Any, function: Callable[[Any], str | None]) -> Any:
    """Return `function` of each value as text; it is called once for each different value."""
    if column.null_count == len(column):
        return pa.nulls(len(column), pa.string())
    coded = column.dictionary_encode()
    return pa.array([function(value) for value in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def _only(chosen: Any, values: Any) -> Any:
    return pc.if_else(pc.fill_null(chosen, False), values, pa.scalar(None, values.type))


def _port(ports: Any) -> Any:
    return _only(pc.and_(pc.greater(ports, 0), pc.less_equal(ports, _MAX_PORT)), ports)


def _somewhere(addresses: Any) -> Any:
    return _only(pc.invert(pc.is_in(addresses, value_set=_NOWHERE)), addresses)


def _table(layer: Layer, columns: dict[str, Any]) -> pa.Table:
    schema = SCHEMAS[layer]
    count = len(columns["known_from"])
    empty = {field.name: pa.nulls(count, field.type) for field in schema if field.name not in columns}
    arrays = [{**columns, **empty}[field.name].cast(field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)
