"""Component and index templates, made from the field registry: what an index of ours looks like.

Only what a small and a full server both have is used. What questions need (`some.index.query.dsl`):

* times are `date_nanos`: `date` has milliseconds only, and two firewall lines in one millisecond are the rule. Ranges
  and order are exact to the microsecond. Aggregations of the server are not (they round to milliseconds), so
  `some.at` keeps `@timestamp` as microseconds in a number, for first and last moments.
* keywords compare letter by letter, without a normalizer; a longer one than KEYWORD_LIMIT stays in the document and is
  not found by its value.
* words are our own folded tokens. They, and what only orders results, are left out of `_source`: it is what people see.
* what was received stands in `_source` for people who look with Kibana; answers of ours take it from the archive.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from ingest.ecs import ECS_VERSION, FIELDS, FieldKind
from some import canonical
from some.errors import SettingsFault
from some.index.elastic import names
from some.index.elastic.transport import Refused
from some.index.facts.fact import VERSION as FACTS_VERSION
from some.index.facts.fact import Layer
from some.index.fields import ORIGINAL, TEXT, TIME, tokens_of
from some.index.query.dsl import ANALYSIS, ANALYZER, KEYWORD_LIMIT, PATTERN_LIMIT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from some.index.elastic.transport import Client, ElasticSettings

VERSION: Final = 1
"""Of the form of documents; an index of another version is made anew."""

SEGMENT: Final = "some.segment"
POSITION: Final = "some.position"
AT: Final = "some.at"
"""`@timestamp` in microseconds, not brought into the range of `date_nanos`."""

BEYOND: Final = "some.beyond"
"""Times that `date_nanos` cannot hold, by field, as text: in `_source` only."""

ORDINAL: Final = "ordinal"
PRIORITY: Final = 250
_FACT_PRIORITY: Final = 260
_COMPONENT: Final = "/_component_template"
_INDEX: Final = "/_index_template"
_KINDS_OF_TEMPLATE: Final = (
    ("component_templates", _COMPONENT, "component_template"),
    ("index_templates", _INDEX, "index_template"),
)
_FORM: Final = ("ledger", "period", "documents", "facts")
_DATE: Final = {"type": "date_nanos", "format": "strict_date_optional_time_nanos"}
_SHOWN_ONLY: Final = {"type": "keyword", "index": False, "doc_values": False}
_WORDS: Final = {"type": "text", "norms": False, "index_options": "positions", "analyzer": ANALYZER}
_KINDS: Final[Mapping[FieldKind, Mapping[str, Any]]] = {
    FieldKind.KEYWORD: {"type": "keyword", "ignore_above": KEYWORD_LIMIT},
    FieldKind.TEXT: _SHOWN_ONLY,
    FieldKind.LONG: {"type": "long"},
    FieldKind.DOUBLE: {"type": "double"},
    FieldKind.BOOLEAN: {"type": "boolean"},
    FieldKind.IP: {"type": "ip"},
    FieldKind.DATE: _DATE,
}
_TOKEN_FIELDS: Final = sorted({tokens_of(one.name) for one in FIELDS if one.kind is FieldKind.TEXT})
HIDDEN: Final = (*_TOKEN_FIELDS, SEGMENT, POSITION, AT)
"""Stored fields that no document shows."""

_FACT_LONGS: Final = (
    *("known_from", "known_to", "received", "promised_to", "inner_port", "public_port"),
    *("port_first", "port_last", "target_port", "segment", "position", ORDINAL),
)
_FACT_IPS: Final = ("inner_ip", "public_ip", "target_ip")
_FACT_FLAGS: Final = ("opens", "closes", "whole_seconds")
_FACT_WORDS: Final = (
    *("layer", "word", "ref", "source", "site", "device", "session"),
    *("transport", "mac", "host", "person", "person_key", "method"),
)


def record_mapping() -> dict[str, Any]:
    """Return the mapping of documents."""
    properties: dict[str, Any] = {}
    for field in FIELDS:
        properties[field.name] = dict(_KINDS[field.kind])
        if field.kind is FieldKind.TEXT:
            properties[tokens_of(field.name)] = dict(_WORDS)
    properties[ORIGINAL] = dict(_SHOWN_ONLY)
    properties[TEXT] = dict(_WORDS)
    properties[SEGMENT] = {"type": "long"}
    properties[POSITION] = {"type": "long"}
    properties[AT] = {"type": "long", "index": False}
    return {"dynamic": False, "_source": {"excludes": list(HIDDEN)}, "properties": properties}


def fact_mapping() -> dict[str, Any]:
    """Return the mapping of interval facts: the columns of `some.index.facts.fact.Fact`, times in microseconds."""
    properties: dict[str, Any] = {TIME: dict(_DATE)}
    properties |= {name: {"type": "long"} for name in _FACT_LONGS}
    properties |= {name: {"type": "ip"} for name in _FACT_IPS}
    properties |= {name: {"type": "boolean"} for name in _FACT_FLAGS}
    properties |= {name: {"type": "keyword", "ignore_above": KEYWORD_LIMIT} for name in _FACT_WORDS}
    return {"dynamic": False, "properties": properties}


def minutes_mapping() -> dict[str, Any]:
    """Return the mapping of roll-ups (`rollup`): what is packed is only carried."""
    return {
        "dynamic": False,
        "properties": {
            TIME: dict(_DATE),
            "source": {"type": "keyword", "ignore_above": KEYWORD_LIMIT},
            "day": {"type": "long"},
            "counted": {"type": "long", "index": False},
            "packed": {"type": "binary", "doc_values": False},
        },
    }


def index_settings(settings: ElasticSettings, order: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings of an index whose documents are kept in that order, newest first."""
    return {
        "index": {
            "mode": "logsdb",
            "mapping": {
                "source": {"mode": "stored"},
                "total_fields": {"limit": 2 * len(FIELDS) + 100},
                # logsdb would leave out of the index what does not fit its field, and tell nobody
                "ignore_malformed": False,
            },
            "sort": {"field": list(order), "order": ["desc"] * len(order)},
            "number_of_shards": settings.shards,
            "number_of_replicas": settings.replicas,
            # while records pour in; the follower refreshes when it has caught up
            "refresh_interval": "5s",
        }
    }


def components(settings: ElasticSettings, ledger: str) -> dict[str, dict[str, Any]]:
    """Return the component templates by name."""
    prefix = settings.prefix
    record = index_settings(settings, (TIME, SEGMENT, POSITION))
    record["index"]["analysis"] = dict(ANALYSIS)
    record["index"]["max_regex_length"] = PATTERN_LIMIT
    fact = index_settings(settings, (TIME, "segment", "position"))
    minute = index_settings(settings, (TIME,))
    parts = {
        f"{prefix}-record": {"settings": record, "mappings": record_mapping()},
        f"{prefix}-fact": {"settings": fact, "mappings": fact_mapping()},
        f"{prefix}-{names.MINUTE}": {"settings": minute, "mappings": minutes_mapping()},
    }
    return {
        name: _signed({"template": template, "version": VERSION}, settings, ledger) for name, template in parts.items()
    }


def _signed(body: dict[str, Any], settings: ElasticSettings, ledger: str) -> dict[str, Any]:
    """Return a template with what it depends on, and a digest by which an unchanged one is known."""
    digest = hashlib.sha256(canonical.dumps(body)).hexdigest()
    return {**body, "_meta": {**meta(settings, ledger), "digest": digest}}


def meta(settings: ElasticSettings, ledger: str) -> dict[str, Any]:
    """Return what the names and contents of the indices depend on; another value means: make them anew."""
    return {
        "made_by": "some",
        "ledger": ledger,
        "period": str(settings.period),
        "documents": VERSION,
        "facts": FACTS_VERSION,
        "ecs": ECS_VERSION,
    }


def class_template(settings: ElasticSettings, ledger: str, record_class: str) -> tuple[str, dict[str, Any]]:
    """Return name and body of the index template of a record class."""
    prefix = settings.prefix
    aliases: dict[str, Any] = {names.alias_of(prefix, one): {} for one in (record_class, names.EVERYTHING)}
    body = {
        "index_patterns": [names.pattern_of(prefix, record_class)],
        "composed_of": [f"{prefix}-record"],
        "template": {"aliases": aliases},
        "priority": PRIORITY,
        "version": VERSION,
    }
    return f"{prefix}-{record_class}", _signed(body, settings, ledger)


def fact_template(settings: ElasticSettings, ledger: str, layer: Layer) -> tuple[str, dict[str, Any]]:
    """Return name and body of the index template of a layer of facts."""
    prefix = settings.prefix
    body = {
        "index_patterns": [f"{prefix}-{names.FACT}-{layer}-*"],
        "composed_of": [f"{prefix}-{names.FACT}"],
        "template": {"aliases": {names.facts_alias(prefix, layer): {}, names.facts_alias(prefix): {}}},
        "priority": _FACT_PRIORITY,
        "version": VERSION,
    }
    return f"{prefix}-{names.FACT}-{layer}", _signed(body, settings, ledger)


def minutes_template(settings: ElasticSettings, ledger: str) -> tuple[str, dict[str, Any]]:
    """Return name and body of the index template of roll-ups."""
    alias = names.minutes_alias(settings.prefix)
    body = {
        "index_patterns": [f"{alias}-*"],
        "composed_of": [f"{settings.prefix}-{names.MINUTE}"],
        "template": {"aliases": {alias: {}}},
        "priority": _FACT_PRIORITY,
        "version": VERSION,
    }
    return alias, _signed(body, settings, ledger)


def found(client: Client) -> dict[str, dict[str, Any]]:
    """Return `_meta` of our templates on the server, by path."""
    prefix = client.settings.prefix
    made: dict[str, dict[str, Any]] = {}
    for kind, path, key in _KINDS_OF_TEMPLATE:
        answer = client.request("GET", f"{path}/{prefix}-*", allow=(404,)) or {}
        made |= {f"{path}/{one['name']}": one[key].get("_meta") or {} for one in answer.get(kind, ())}
    return made


def expected(settings: ElasticSettings, ledger: str, classes: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """Return the templates by path: the parts first, then those of facts and of these classes."""
    wanted = {f"{_COMPONENT}/{name}": body for name, body in components(settings, ledger).items()}
    indices = [fact_template(settings, ledger, layer) for layer in Layer]
    indices.append(minutes_template(settings, ledger))
    indices += [class_template(settings, ledger, one) for one in sorted(classes)]
    return wanted | {f"{_INDEX}/{name}": body for name, body in indices}


def ensure(client: Client, ledger: str, classes: Collection[str] = ()) -> None:
    """Put the templates on the server that lack or differ.

    Fields that are new get their place in the indices that exist. Raises SettingsFault where the prefix is somebody
    else's, or of another form.
    """
    if names.FACT in classes:
        raise SettingsFault(f"no record class can be named {names.FACT!r} in Elasticsearch")
    held = found(client)
    changed = False
    for path, body in expected(client.settings, ledger, classes).items():
        there = held.get(path)
        if there is not None:
            _same_form(path, there, body["_meta"])
        if there is None or there.get("digest") != body["_meta"]["digest"]:
            _put(client, path, body)
            changed = changed or (there is not None and path.startswith(_COMPONENT))
    if changed:
        _extend(client)


def _same_form(path: str, held: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    differing = sorted(key for key in _FORM if held.get(key) != wanted[key])
    if differing:
        told = ", ".join(f"{key} {held.get(key)!r} instead of {wanted[key]!r}" for key in differing)
        raise SettingsFault(
            f"index.elastic: the template {path} was made for {told}; run `some index rebuild` or choose another prefix"
        )


def _extend(client: Client) -> None:
    prefix = client.settings.prefix
    for alias, mapping in (
        (names.alias_of(prefix, names.EVERYTHING), record_mapping()),
        (names.facts_alias(prefix), fact_mapping()),
    ):
        _put(client, f"/{alias}/_mapping", {"properties": mapping["properties"]}, {"ignore_unavailable": True})


def _put(client: Client, path: str, body: Mapping[str, Any], params: Mapping[str, Any] | None = None) -> None:
    try:
        client.request("PUT", path, body, params=params, allow=(404,))
    except Refused as error:
        raise SettingsFault(
            f"index.elastic: the server refuses {path} ({error}: {error.reason}); `some index rebuild` makes all anew"
        ) from error
