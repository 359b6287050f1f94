"""Interval facts in `some-fact-*`: written beside the documents, asked for by key.

Times are whole microseconds in numbers, so nothing is rounded anywhere; `@timestamp` is there for people with Kibana.
A fact's `_id` is a function of its record, as a document's is.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import orjson

from ingest.fact_words import FactWord, LoginMethod
from some.index.elastic import asking, names
from some.index.elastic.documents import Action, shown_time
from some.index.elastic.minutes import OWN_CLASS, OWN_ORIGIN, Minutes
from some.index.elastic.templates import ORDINAL
from some.index.facts import build
from some.index.facts.fact import Fact, Layer, Minute, Span, Speaker
from some.index.facts.persons import normalised
from some.index.fields import TIME
from some.index.query.dsl import kept_moment
from some.record import RecordRef

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ingest.parsing import Batch
    from some.index.elastic.names import Period
    from some.index.elastic.transport import Client
    from some.index.facts.sites import Sites
    from some.index.segments import SourceRun
    from some.record import RecordRun

_PLAIN: Final = tuple(one.name for one in fields(Fact) if one.name not in {"layer", "word", "ref", "method"})
_BY_TIME: Final = [{name: "asc"} for name in ("known_from", "segment", "position", ORDINAL)]

Condition = dict[str, Any]


def attested(batch: Batch, run: SourceRun, segment: RecordRun, sites: Sites) -> list[Fact]:
    """Return what the records of a batch attest; records of our own making attest nothing.

    `run` holds the records of one source in `segment`, and is what `batch` was parsed from.
    """
    if segment.record_class == OWN_CLASS or "some.fact" not in batch.columns:
        return []
    found = build.facts(batch, run, segment.segment, segment.ledger, sites)
    origins = dict(zip(run.places, run.origins, strict=True))
    return [one for one in found if not origins[one.ref.position].startswith(OWN_ORIGIN)]


def actions(found: Iterable[Fact], prefix: str, period: Period) -> list[Action]:
    """Return the facts as documents to be made; several of one record are told apart by their order."""
    made: list[Action] = []
    ordinals: dict[RecordRef, int] = {}
    for fact in found:
        ordinal = ordinals[fact.ref] = ordinals.get(fact.ref, -1) + 1
        index = names.fact_index_of(prefix, fact.layer, period, fact.received)
        head = orjson.dumps({"create": {"_index": index, "_id": names.fact_id(fact.ref, ordinal)}})
        made.append(Action(index, str(fact.ref), b"%b\n%b\n" % (head, orjson.dumps(_stored(fact, ordinal)))))
    return made


def _stored(fact: Fact, ordinal: int) -> dict[str, Any]:
    held = {name: value for name in _PLAIN if (value := getattr(fact, name)) is not None}
    held |= {
        TIME: shown_time(kept_moment(fact.known_from)),
        "layer": fact.layer.value,
        "word": fact.word.value,
        "ref": str(fact.ref),
        "segment": fact.ref.segment,
        "position": fact.ref.position,
        ORDINAL: ordinal,
    }
    if fact.method is not None:
        held["method"] = fact.method.value
    person = None if fact.person is None else normalised(fact.person)
    return held if person is None else {**held, "person_key": person}


def fact_of(source: Mapping[str, Any]) -> Fact:
    """Return the fact that a document holds."""
    method = source.get("method")
    plain: dict[str, Any] = {name: source.get(name) for name in _PLAIN}
    return Fact(
        layer=Layer(source["layer"]),
        word=FactWord(source["word"]),
        ref=RecordRef.parse(source["ref"]),
        method=None if method is None else LoginMethod(method),
        **plain,
    )


class ElasticFacts:
    """`some.index.facts.fact.FactStore` over Elasticsearch, for a question or a batch of questions.

    Safe to use from several threads.
    """

    def __init__(self, client: Client) -> None:
        """Ask through `client`."""
        self._client = client
        self._prefix = client.settings.prefix
        self._minutes = Minutes(client)

    def public_side(
        self,
        span: Span,
        *,
        public_ip: str | None = None,
        public_port: int | None = None,
        transport: str | None = None,
        target_ip: str | None = None,
        target_port: int | None = None,
        site: str | None = None,
        told: bool | None = None,
    ) -> Sequence[Fact]:
        """See FactStore."""
        wanted = [
            _or_absent(name, value)
            for name, value in (
                ("public_ip", public_ip),
                ("transport", transport),
                ("target_ip", target_ip),
                ("target_port", target_port),
            )
            if value is not None
        ]
        if public_port is not None:
            wanted.append(_port(public_port))
        if site is not None:
            wanted.append(_is("site", site))
        if told is not None:
            tells = [_exists("public_ip")] * (public_ip is not None)
            tells += [_any([_exists("public_port"), _exists("port_first")])] * (public_port is not None)
            wanted.append({"bool": {"filter" if told else "must_not": {"bool": {"filter": tells}}}})
        return self._found(span, (Layer.NAT,), wanted)

    def tellers(self, span: Span, *, public_ip: str) -> Sequence[str]:
        """See FactStore."""
        query = {"bool": {"filter": [*_overlap(span), _is("public_ip", public_ip)]}}
        where = names.facts_alias(self._prefix, Layer.NAT)
        sources: list[Condition] = [{"source": {"terms": {"field": "source"}}}]
        return sorted(one["key"]["source"] for one in asking.composite(self._client, where, query, sources))

    def inner_side(
        self, span: Span, *, site: str | None, inner_ip: str, inner_port: int | None = None
    ) -> Sequence[Fact]:
        """See FactStore."""
        wanted = [_at(site), _is("inner_ip", inner_ip)]
        if inner_port is not None:
            wanted.append(_or_absent("inner_port", inner_port))
        return self._found(span, (Layer.NAT,), wanted)

    def leases(
        self,
        span: Span,
        *,
        site: str | None,
        addresses: Collection[str] | None = None,
        macs: Collection[str] | None = None,
    ) -> Sequence[Fact]:
        """See FactStore."""
        held = _held_by(addresses, macs)
        return self._found(span, (Layer.LEASE,), [_at(site), *([] if held is None else [_any(held)])])

    def identities(
        self,
        span: Span,
        *,
        site: str | None,
        addresses: Collection[str] | None = None,
        macs: Collection[str] | None = None,
    ) -> Sequence[Fact]:
        """See FactStore."""
        held = _held_by(addresses, macs)
        wanted = [] if held is None else [_any([*held, _is("word", FactWord.RESTART.value)])]
        return self._found(span, (Layer.IDENTITY,), [_at(site), *wanted])

    def of_persons(self, span: Span, *, persons: Collection[str], layer: Layer | None = None) -> Sequence[Fact]:
        """See FactStore."""
        layers = (Layer.NAT, Layer.IDENTITY) if layer is None else (layer,)
        return self._found(span, layers, [{"terms": {"person_key": sorted(persons)}}])

    def minutes(self, source: str, span: Span) -> Sequence[Minute]:
        """See FactStore. Kept as they were when first asked for, as long as this store lives."""
        return self._minutes.minutes(source, span)

    def speakers(self) -> Sequence[Speaker]:
        """See FactStore."""
        sources: list[Condition] = [
            {"source": {"terms": {"field": "source"}}},
            {"site": {"terms": {"field": "site", "missing_bucket": True}}},
            {"layer": {"terms": {"field": "layer"}}},
        ]
        where = names.facts_alias(self._prefix)
        found = [
            Speaker(one["key"]["source"], one["key"]["site"], Layer(one["key"]["layer"]))
            for one in asking.composite(self._client, where, {"match_all": {}}, sources)
        ]
        return sorted(found, key=lambda one: (one.source, one.site or "", one.site is not None, one.layer))

    def _found(self, span: Span, layers: tuple[Layer, ...], wanted: Sequence[Condition]) -> list[Fact]:
        where = ",".join(names.facts_alias(self._prefix, layer) for layer in layers)
        body = {"query": {"bool": {"filter": [*_overlap(span), *wanted]}}, "sort": _BY_TIME}
        return [fact_of(hit["_source"]) for hit in asking.every(self._client, where, body)]


def _overlap(span: Span) -> list[Condition]:
    lasts = [{"range": {name: {"gte": span.start}}} for name in ("known_to", "promised_to")]
    return [{"range": {"known_from": {"lte": span.end}}}, _any(lasts)]


def _is(name: str, value: str | int) -> Condition:
    return {"term": {name: {"value": value}}}


def _absent(*fields_: str) -> Condition:
    return {"bool": {"must_not": [{"exists": {"field": one}} for one in fields_]}}


def _exists(name: str) -> Condition:
    return {"exists": {"field": name}}


def _any(parts: Sequence[Condition]) -> Condition:
    return {"bool": {"should": list(parts), "minimum_should_match": 1}}


def _or_absent(name: str, value: str | int) -> Condition:
    return _any([_is(name, value), _absent(name)])


def _at(site: str | None) -> Condition:
    return _absent("site") if site is None else _is("site", site)


def _port(port: int) -> Condition:
    block = {"bool": {"filter": [{"range": {"port_first": {"lte": port}}}, {"range": {"port_last": {"gte": port}}}]}}
    return _any([_is("public_port", port), block, _absent("public_port", "port_first")])


def _held_by(addresses: Collection[str] | None, macs: Collection[str] | None) -> list[Condition] | None:
    """Return the conditions one of which must hold; None where everything is asked for."""
    if addresses is None and macs is None:
        return None
    return [{"terms": {"inner_ip": sorted(addresses or ())}}, {"terms": {"mac": sorted(macs or ())}}]
