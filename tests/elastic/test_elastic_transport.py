"""One client for two major versions; what failures mean; secrets that never show."""

from __future__ import annotations

import pytest
from elastic_stub import Stub

from some.errors import NotPermitted, SettingsFault, Unavailable
from some.index.elastic.transport import ElasticSettings, Refused, connect


def settings(url: str, **more) -> ElasticSettings:
    return ElasticSettings(urls=(url,), timeout_s=5, **more)


def fault(status: int, kind: str, reason: str = ""):
    return lambda request: None if request.path.startswith("/_nodes") else (status, fault_body(kind, reason))


def fault_body(kind: str, reason: str):
    return {"error": {"type": kind, "reason": reason}}


@pytest.mark.parametrize("major", [8, 9])
def test_the_first_contact_and_every_other_is_understood_by_both_majors(major):
    with Stub(lambda seen: (200, {"took": 1}) if seen.path == "/a/_search" else None, major=major) as stub:
        client = connect(settings(stub.url))
        assert client.version() == f"{major}.19.9"
        assert client.request("POST", "/a/_search", {"size": 0}) == {"took": 1}
        client.close()
    spoken = [seen for seen in stub.seen if f"compatible-with={major}" in seen.headers["accept"]]
    assert len(stub.seen) - len(spoken) == (1 if major == 8 else 0), "a refusal teaches once"


def test_lines_are_sent_as_they_are():
    with Stub(lambda seen: (200, {"errors": False}) if seen.path == "/_bulk" else None, major=8) as stub:
        client = connect(settings(stub.url))
        client.request("POST", "/_bulk", b'{"create":{}}\n{}\n')
        client.close()
    assert stub.seen[-1].body == b'{"create":{}}\n{}\n'
    assert "x-ndjson; compatible-with=8" in stub.seen[-1].headers["content-type"]


@pytest.mark.parametrize("version", ["7.17.9", "8.18.4", "10.0.0"])
def test_a_version_that_we_do_not_know_is_a_fault_of_settings(version):
    with Stub(lambda _: None, version=version) as stub:
        client = connect(settings(stub.url))
        with pytest.raises(SettingsFault, match=version.replace(".", r"\.")):
            client.request("GET", "/a")
        client.close()


def test_the_version_is_learned_from_the_root_where_nodes_may_not_be_asked():
    def script(seen):
        if seen.path.startswith("/_nodes"):
            return 403, fault_body("security_exception", "action [cluster:monitor/nodes/info] is unauthorized")
        return 200, {"version": {"number": "9.5.2"}}

    with Stub(script) as stub:
        client = connect(settings(stub.url))
        assert client.version() == "9.5.2"
        client.close()


def test_the_oldest_node_decides():
    nodes = {"nodes": {"a": {"version": "9.5.2"}, "b": {"version": "8.19.9"}, "c": {"version": "9.10.0"}}}
    with Stub(lambda _: (200, nodes)) as stub:
        client = connect(settings(stub.url))
        assert client.version() == "8.19.9"
        client.close()


@pytest.mark.parametrize(
    ("status", "kind", "reason", "error", "told"),
    [
        (401, "security_exception", "unable to authenticate", NotPermitted, "does not know us"),
        (
            403,
            "security_exception",
            (
                "action [indices:data/write/bulk] is unauthorized for user [x], this action is granted by the index "
                "privileges [create_doc,write,all]"
            ),
            NotPermitted,
            "create_doc,write,all",
        ),
        (
            403,
            "cluster_block_exception",
            "index [some-a] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];",
            Unavailable,
            "FORBIDDEN/12/index read-only",
        ),
        (429, "circuit_breaking_exception", "too large", Unavailable, "429"),
        (503, "no_shard_available_action_exception", "", Unavailable, "503"),
        (500, "", "", Unavailable, "500"),
        (400, "parsing_exception", "value: secret", Refused, "HTTP 400 parsing_exception"),
        (404, "index_not_found_exception", "", Refused, "404"),
    ],
)
def test_what_a_failure_means(status, kind, reason, error, told):
    with Stub(fault(status, kind, reason)) as stub:
        client = connect(settings(stub.url))
        with pytest.raises(error) as caught:
            client.request("GET", "/a")
        client.close()
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_away_is_unavailable_and_the_next_node_is_asked():
    with Stub(lambda _: None) as gone:
        away = gone.url
    client = connect(settings(away))
    with pytest.raises(Unavailable):
        client.version()
    client.close()
    with Stub(lambda _: None) as stub:
        client = connect(ElasticSettings(urls=(away, stub.url), timeout_s=5))
        assert client.version() == "9.19.9"
        client.close()


def test_secrets_come_from_files_and_never_show(tmp_path):
    key = tmp_path / "key"
    key.write_text("geheim-anahtar\n")
    with Stub(lambda _: None) as stub:
        chosen = settings(stub.url, api_key_file=key)
        client = connect(chosen)
        client.version()
        assert stub.seen[0].headers["authorization"] == "ApiKey geheim-anahtar"
        assert "geheim" not in repr(chosen) + repr(client) + str(client)
        client.close()
    with pytest.raises(SettingsFault, match="api_key_file"):
        connect(settings("http://127.0.0.1:9", api_key_file=tmp_path / "none"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"urls": ()},
        {"prefix": "So-me"},
        {"user": "a"},
        {"proxy": "http://192.0.2.1:3128", "fingerprint": "ab" * 32},
    ],
)
def test_settings_that_contradict_themselves_are_refused(wrong):
    with pytest.raises(SettingsFault):
        ElasticSettings(**{"urls": ("https://es.example:9200",), **wrong})


def test_a_proxy_is_used_and_none_that_the_environment_names(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:9")
    with Stub(lambda seen: (200, {"nodes": {"a": {"version": "9.1.0"}}}) if "/_nodes" in seen.path else None) as proxy:
        client = connect(settings("http://es.example:9200", proxy=proxy.url))
        assert client.version() == "9.1.0"
        client.close()
        direct = connect(settings(proxy.url))
        assert direct.version() == "9.1.0"
        direct.close()
    assert proxy.seen[0].path.startswith("http://es.example:9200/")
    assert proxy.seen[-1].path.startswith("/_nodes")
