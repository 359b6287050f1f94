"""Questions to the server, in the one form that all of ours have: complete, bounded in time, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from some.errors import Unavailable
from some.index.elastic.transport import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from some.index.elastic.transport import Client

MOST: Final = 10_000
"""Documents in one answer of the server at most (`index.max_result_window`)."""

_PARAMS: Final = {"ignore_unavailable": True, "allow_no_indices": True, "allow_partial_search_results": False}
_COUNTING: Final = {"ignore_unavailable": True, "allow_no_indices": True}

Hit = dict[str, Any]


def search(client: Client, where: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a search over `where` (aliases with commas); raises Unavailable where it is not complete."""
    seconds = client.settings.timeout_s
    asked = {"track_total_hits": False, "timeout": f"{int(seconds * 1000)}ms", **body}
    try:
        answer: dict[str, Any] = client.request(
            "POST", f"/{where}/_search", asked, params=_PARAMS, timeout_s=seconds + 5
        )
    except Refused as error:
        raise Unavailable(f"Elasticsearch cannot answer this question ({error}: {error.reason[:200]})") from error
    if answer.get("timed_out"):
        raise Unavailable(f"Elasticsearch did not finish within {seconds:g} s; ask for a shorter time")
    failed = answer.get("_shards", {}).get("failed", 0)
    if failed:
        raise Unavailable(f"{failed} shards of Elasticsearch did not answer")
    return answer


def hits(client: Client, where: str, body: Mapping[str, Any], wanted: int) -> list[Hit]:
    """Return the first `wanted` hits of a sorted search, however many the server gives at once."""
    found: list[Hit] = []
    asked = dict(body)
    while len(found) < wanted:
        size = min(MOST, wanted - len(found))
        got = search(client, where, {**asked, "size": size})["hits"]["hits"]
        found += got
        if len(got) < size:
            break
        asked["search_after"] = got[-1]["sort"]
    return found


def every(client: Client, where: str, body: Mapping[str, Any]) -> Iterator[Hit]:
    """Yield all hits of a search whose order is total."""
    asked = {**body, "size": MOST}
    while True:
        got = search(client, where, asked)["hits"]["hits"]
        yield from got
        if len(got) < MOST:
            return
        asked["search_after"] = got[-1]["sort"]


def count(client: Client, where: str, query: Mapping[str, Any]) -> int:
    """Return the number of matches."""
    try:
        answer = client.request("POST", f"/{where}/_count", {"query": query}, params=_COUNTING)
    except Refused as error:
        raise Unavailable(f"Elasticsearch cannot answer this question ({error})") from error
    if answer["_shards"]["failed"]:
        raise Unavailable(f"{answer['_shards']['failed']} shards of Elasticsearch did not answer")
    return int(answer["count"])


def aggregated(client: Client, where: str, query: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the aggregations over the matches; empty where no index is there yet."""
    answer = search(client, where, {"size": 0, "query": query, "aggs": asked})
    found: dict[str, Any] = answer.get("aggregations", {})
    return found


def composite(
    client: Client,
    where: str,
    query: Mapping[str, Any],
    sources: Sequence[Mapping[str, Any]],
    inner: Mapping[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield every bucket of a composite aggregation, page by page."""
    asked: dict[str, Any] = {"size": MOST, "sources": list(sources)}
    while True:
        part: dict[str, Any] = {"composite": asked}
        if inner:
            part["aggs"] = dict(inner)
        found = aggregated(client, where, query, {"all": part}).get("all", {})
        yield from found.get("buckets", ())
        after = found.get("after_key")
        if after is None or len(found["buckets"]) < MOST:
            return
        asked = {**asked, "after": after}
