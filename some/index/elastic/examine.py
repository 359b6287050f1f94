"""What an administrator must know of the server: `some doctor --es`. Reads only; each row says how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from some.errors import NotPermitted, SettingsFault, Unavailable
from some.index.elastic import names, retire, templates
from some.index.elastic.transport import Refused
from some.index.engine import IndexFinding, from_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from some.clock import Clock
    from some.index.elastic.transport import Client

_SKEW_S: Final = 5.0
_NEARLY_FULL: Final = 85.0
_FULL: Final = 90.0
_MANY_SHARDS: Final = 900
_CLUSTER_NEEDS: Final = ("monitor", "manage_index_templates")
_INDEX_NEEDS: Final = ("create_doc", "auto_configure", "maintenance", "read", "view_index_metadata", "manage")
_LOGSDB: Final = "logsdb"
_BLOCKS: Final = ("read_only_allow_delete", "read_only", "write")

Row = IndexFinding


def examine(client: Client, ledger: str, wall: Clock) -> list[Row]:
    """Return what was found, good news as notes. An absent server is a row, not an error."""
    rows: list[Row] = []
    for look in (_version, _privileges, _templates, _indices, _clock, _disks, _health):
        try:
            rows += look(client, ledger, wall)
        except (Unavailable, SettingsFault) as error:
            rows.append(Row(f"elastic.{_named(look)}", "error", _where(client), str(error)))
            if look is _version:
                break
        except (NotPermitted, Refused) as error:
            text = f"this could not be looked at: {error}"
            rows.append(Row(f"elastic.{_named(look)}", "warning", _where(client), text))
    return rows


def _named(look: Callable[..., Any]) -> str:
    return look.__name__.lstrip("_")


def _where(client: Client) -> str:
    return ", ".join(client.settings.urls)


def _version(client: Client, _ledger: str, _wall: Clock) -> Iterator[Row]:
    yield Row("elastic.version", "note", _where(client), f"Elasticsearch {client.version()}")
    if not all(url.startswith("https:") for url in client.settings.urls):
        text = "records and passwords travel unencrypted; use https and name the authority (ca_file) or fingerprint"
        yield Row("elastic.plain", "warning", _where(client), text)


def _privileges(client: Client, _ledger: str, _wall: Clock) -> Iterator[Row]:
    prefix = client.settings.prefix
    body = {
        "cluster": list(_CLUSTER_NEEDS),
        "index": [{"names": [f"{prefix}-*"], "privileges": list(_INDEX_NEEDS)}],
    }
    try:
        answer = client.request("POST", "/_security/user/_has_privileges", body)
    except Refused:
        text = "security is switched off on the server: anybody who reaches it reads and destroys"
        yield Row("elastic.security_off", "warning", _where(client), text)
        return
    lacking = [name for name, held in answer["cluster"].items() if not held]
    lacking += [f"{name} on {prefix}-*" for name, held in answer["index"][f"{prefix}-*"].items() if not held]
    if lacking:
        text = f"{answer['username']} lacks: {', '.join(lacking)}"
        yield Row("elastic.privileges", "error", answer["username"], text)
    else:
        yield Row("elastic.privileges", "note", answer["username"], f"{answer['username']} may do all that is needed")


def _templates(client: Client, ledger: str, _wall: Clock) -> Iterator[Row]:
    prefix = client.settings.prefix
    held = templates.found(client)
    classes = {one for one in (names.class_of(prefix, index) for index in retire.indices(client)) if one}
    for path, body in templates.expected(client.settings, ledger, classes).items():
        there = held.get(path)
        if there is None:
            yield Row("elastic.template_missing", "warning", path, "the follower puts it there when it starts")
        elif there.get("ledger") != ledger:
            text = f"it belongs to ledger {there.get('ledger')!r}; choose another index.elastic.prefix"
            yield Row("elastic.template_foreign", "error", path, text)
        elif there.get("digest") != body["_meta"]["digest"]:
            text = "it is of another version or other settings; the follower brings it up to date when it starts"
            yield Row("elastic.template_differs", "warning", path, text)


def _indices(client: Client, _ledger: str, _wall: Clock) -> Iterator[Row]:
    held = retire.indices(client)
    if not held:
        yield Row("elastic.indices", "note", _where(client), "nothing has been written yet")
        return
    params = {"flat_settings": True, "ignore_unavailable": True, "expand_wildcards": "open,closed,hidden"}
    answer = client.request("GET", f"/{client.settings.prefix}-*/_settings", params=params)
    for name in held:
        found = answer.get(name, {}).get("settings", {})
        if found.get("index.mode") != _LOGSDB:
            text = "it was made without our template: drop it and run `some index rebuild`"
            yield Row("elastic.foreign_index", "error", name, text)
        for block in _BLOCKS:
            if str(found.get(f"index.blocks.{block}", "false")) == "true":
                text = f"index.blocks.{block} is set: make room on the disks, then take the block away"
                yield Row("elastic.blocked", "error", name, text)


def _clock(client: Client, _ledger: str, wall: Clock) -> Iterator[Row]:
    before = wall.now()
    answer = client.request("GET", "/_nodes/stats/os", params={"filter_path": "nodes.*.name,nodes.*.timestamp"})
    after = wall.now()
    for node in answer.get("nodes", {}).values():
        told = from_us(int(node["timestamp"]) * 1_000)
        skew = max((before - told).total_seconds(), (told - after).total_seconds(), 0.0)
        if skew > _SKEW_S:
            text = f"its clock differs from ours by {skew:.0f} s; set both by NTP"
            yield Row("elastic.clock", "warning", str(node["name"]), text)


def _disks(client: Client, _ledger: str, _wall: Clock) -> Iterator[Row]:
    params = {"filter_path": "nodes.*.name,nodes.*.fs.total"}
    answer = client.request("GET", "/_nodes/stats/fs", params=params)
    for node in answer.get("nodes", {}).values():
        total, free = node["fs"]["total"]["total_in_bytes"], node["fs"]["total"]["available_in_bytes"]
        used = 100.0 * (total - free) / total if total else 0.0
        text = f"{used:.0f} % of the disk is used, {free / 2**30:.1f} GiB are free"
        if used >= _FULL:
            yield Row("elastic.disk", "error", str(node["name"]), f"{text}; the server stops writing at 95 %")
        elif used >= _NEARLY_FULL:
            yield Row("elastic.disk", "warning", str(node["name"]), f"{text}; no new shards go there")
        else:
            yield Row("elastic.disk", "note", str(node["name"]), text)


def _health(client: Client, _ledger: str, _wall: Clock) -> Iterator[Row]:
    health = client.request("GET", "/_cluster/health")
    nodes, shards = int(health["number_of_data_nodes"]), int(health["active_shards"])
    severity = {"green": "note", "yellow": "warning"}.get(str(health["status"]), "error")
    text = f"{health['status']}: {nodes} nodes, {shards} shards, {health['unassigned_shards']} without a place"
    if severity == "warning" and nodes <= client.settings.replicas:
        text += f"; index.elastic.replicas is {client.settings.replicas}, which needs more nodes"
    yield Row("elastic.health", severity, str(health["cluster_name"]), text)
    if nodes and shards / nodes > _MANY_SHARDS:
        text = f"{shards / nodes:.0f} shards a node, 1,000 are the limit: choose a longer index.elastic.period"
        yield Row("elastic.shards", "warning", str(health["cluster_name"]), text)
