"""Counts over time and most frequent values, as aggregations; the same figures as of the embedded engine."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ingest.ecs import FieldKind
from some.index.elastic import asking
from some.index.elastic.templates import AT, POSITION, SEGMENT
from some.index.engine import (
    MAX_TOP,
    SPLIT_TOP,
    Bucket,
    DistinctCount,
    Grid,
    Histogram,
    IndexFinding,
    Percentiles,
    TopValue,
    from_us,
)
from some.index.fields import TIME
from some.index.figures import label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.ecs import Field
    from some.index.elastic.transport import Client

Value = str | int | float | bool

_SHARD_SIZES: Final = (1_000, 10_000, 60_000)
_NS: Final = 1_000
_COUNTED: Final = 50_000
ESTIMATED: Final = "index.elastic.estimated"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's documents: where they are and what they match."""

    client: Client
    where: str
    query: Mapping[str, Any]


def span(asked: Asked) -> tuple[int, int] | None:
    """Return the first and last `@timestamp` of the matches in microseconds.

    By order, not by aggregation: the server's own minimum of nanoseconds is rounded to milliseconds.
    """
    ends = []
    for order in ("asc", "desc"):
        body = {"query": asked.query, "_source": False, "sort": [{name: order} for name in (TIME, SEGMENT, POSITION)]}
        found = asking.hits(asked.client, asked.where, body, 1)
        if not found:
            return None
        ends.append(int(found[0]["sort"][0]) // _NS)
    return ends[0], ends[1]


def top_values(asked: Asked, field: Field, size: int) -> tuple[tuple[TopValue, ...], tuple[IndexFinding, ...]]:
    """Return the most frequent values, ties in the order of the values.

    Each shard is asked for more and more values until none can have been missed; where that is never so (very many
    different values on several shards), a finding says that the figures are estimates.
    """
    wanted = max(1, min(size, MAX_TOP))
    found: dict[str, Any] = {}
    for shard_size in _SHARD_SIZES:
        terms = {
            "field": field.name,
            "size": wanted,
            "shard_size": max(shard_size, wanted),
            "order": [{"_count": "desc"}, {"_key": "asc"}],
        }
        found = asking.aggregated(asked.client, asked.where, asked.query, {"top": {"terms": terms}}).get("top", {})
        if not found.get("doc_count_error_upper_bound"):
            break
    values = tuple(TopValue(shown(field, one), int(one["doc_count"])) for one in found.get("buckets", ()))
    if not found.get("doc_count_error_upper_bound"):
        return values, ()
    text = f"the most frequent values of {field.name} are estimates: there are too many different ones"
    return values, (IndexFinding(ESTIMATED, "note", field.name, text),)


def distinct(asked: Asked, field: Field) -> DistinctCount:
    """Return how many different values there are: counted one by one up to a limit, beyond it estimated."""
    sources = [{"value": {"terms": {"field": field.name}}}]
    found = asking.composite(asked.client, asked.where, asked.query, sources)
    count = sum(1 for _ in islice(found, _COUNTED))
    if count < _COUNTED:
        return DistinctCount(count, exact=True)
    part = {"cardinality": {"field": field.name, "precision_threshold": 40_000}}
    answer = asking.aggregated(asked.client, asked.where, asked.query, {"values": part})
    return DistinctCount(int(answer["values"]["value"]), exact=False)


def percentiles(asked: Asked, field: Field, percents: Sequence[float]) -> Percentiles:
    """Return percentiles, which the server estimates by t-digest (exact in effect where values are few)."""
    parts = {
        "values": {"percentiles": {"field": field.name, "percents": sorted(set(percents)), "keyed": False}},
        "count": {"value_count": {"field": field.name}},
    }
    found = asking.aggregated(asked.client, asked.where, asked.query, parts)
    count = int(found["count"]["value"]) if found else 0
    if not count:
        return Percentiles({}, 0, exact=True)
    told = {float(one["key"]): float(one["value"]) for one in found["values"]["values"]}
    return Percentiles({percent: told[float(percent)] for percent in percents}, count, exact=False)


def shown(field: Field, bucket: Mapping[str, Any]) -> Value:
    """Return a bucket's value as documents show it."""
    key: Value = bucket["key"]
    if field.kind is FieldKind.IP:
        return str(ipaddress.ip_address(str(key)))
    return bool(key) if field.kind is FieldKind.BOOLEAN else key


def histogram(asked: Asked, over: Grid, field: Field | None) -> Histogram:
    """Return the matches over `over`, split by the most frequent values of `field`."""
    chosen: tuple[Value, ...] = ()
    findings: tuple[IndexFinding, ...] = ()
    if field is not None:
        top, findings = top_values(asked, field, SPLIT_TOP)
        chosen = tuple(one.value for one in top)
    # microseconds in a number: 8.19.9 refused (400) date_histograms with an offset over a bounded span of nanoseconds
    rounds: dict[str, Any] = {
        "field": AT,
        "interval": over.width,
        "offset": over.origin % over.width,
        "min_doc_count": 1,
    }
    part: dict[str, Any] = {"histogram": rounds}
    if field is not None and chosen:
        filters = {str(number): {"term": {field.name: {"value": value}}} for number, value in enumerate(chosen)}
        part["aggs"] = {"parts": {"filters": {"filters": filters}}}
    found = asking.aggregated(asked.client, asked.where, asked.query, {"times": part}).get("times", {})
    counts = {(int(one["key"]) - over.origin) // over.width: one for one in found.get("buckets", ())}
    buckets = tuple(
        Bucket(
            from_us(over.origin + number * over.width),
            int(counts[number]["doc_count"]) if number in counts else 0,
            _parts(counts.get(number), chosen),
        )
        for number in range(over.count)
    )
    names = tuple(label(one) for one in chosen)
    width = timedelta(microseconds=over.width)
    return Histogram(buckets, width, None if field is None else field.name, names, findings)


def _parts(bucket: Mapping[str, Any] | None, chosen: tuple[Value, ...]) -> dict[str, int]:
    if bucket is None or not chosen:
        return {}
    counts = ((value, int(bucket["parts"]["buckets"][str(number)]["doc_count"])) for number, value in enumerate(chosen))
    return {label(value): count for value, count in counts if count}
