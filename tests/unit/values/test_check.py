"""Wrong types are errors, unknown keys are warnings with a suggestion, free mappings are free."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from devenv.errors import MissingError, UsageError
from devenv.values import check
from devenv.values.check import Finding, findings, require
from devenv.values.files import Loaded, load

SIGN_IN = {"hub": {"config": {"JupyterHub": {"authenticator_class": "dummy"}}}}


def nested(path: str, value: Any) -> dict[str, Any]:
    for part in reversed(path.split(".")):
        value = {part: value}
    return dict(value)


def found(tree: dict[str, Any], chart: Path | None = None) -> list[tuple[str, str, str]]:
    return [(each.severity, ".".join(each.path), each.text) for each in findings(Loaded(tree), chart)]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("hub.baseUrl", 5, "expected text, got 5; put it in quotes"),
        ("hub.concurrentSpawnLimit", "64", "expected a whole number, got '64'"),
        ("hub.concurrentSpawnLimit", 6.5, "expected a whole number, got 6.5"),
        ("hub.concurrentSpawnLimit", True, "expected a whole number, got true"),
        ("hub.allowNamedServers", "yes", "expected true or false, got 'yes'"),
        ("hub.db.type", "postgresql", "expected one of sqlite-pvc,"),
        ("hub.templatePaths", "/a", "expected a list, got '/a'"),
        ("hub.db.password", ["x"], "expected text, got a list"),
        ("hub.cookieSecret", 12345, "expected text, got (secret); put it in quotes"),
        ("hub.extraEnv", "A=1", "expected variables with their values, got 'A=1'"),
        ("hub.extraConfig", ["x = 1"], "expected keys with values, got a list"),
        ("hub.extraConfig.mine", {"x": 1}, "expected Python code as text, got keys with values"),
        ("hub.extraConfig.mine", "x = 1\nif x\n", "not Python in its line 2: "),
        ("hub", "text", "expected keys with values, got 'text'"),
        ("singleuser.memory", 5, "expected keys with values, got 5"),
        ("singleuser.memory.limit", ["1G"], "expected a number of bytes, or text such as 2G, got a list"),
        ("singleuser.cpu.limit", "2", "expected a number, got '2'"),
        ("singleuser.profileList", {"a": 1}, "expected a list, got keys with values"),
        ("singleuser.networkPolicy.enabled", "false", "expected true or false, got 'false'"),
        ("cull.timeout", "1h", "expected a whole number, got '1h'"),
        ("hub.config.Authenticator.allowed_users", "me", "expected a list of names, got 'me'"),
        ("hub.config.Authenticator.allowed_users.0", None, ""),
        ("hub.loadRoles.mine", ["self"], "expected keys with values, got a list"),
        ("hub.services.mine", "http://h", "expected keys with values, got 'http://h'"),
        ("hub.config.loadRoles", {}, "expected the name of a class; did you mean hub.loadRoles?"),
        ("hub.config.JupyterHub", "x", "expected traits with values, got 'x'"),
    ],
)
def test_a_wrong_type_is_an_error_that_says_what_was_expected(path: str, value: Any, words: str) -> None:
    if not words:  # a number among the names
        path, value, words = path.removesuffix(".0"), [7], "expected a name, got 7; put it in quotes"
    errors = [(name, text) for severity, name, text in found(nested(path, value)) if severity == "error"]

    assert len(errors) == 1
    assert errors[0][0].startswith(path)
    assert words in errors[0][1]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("singleuser.defualtUrl", "unknown key; did you mean singleuser.defaultUrl?"),
        ("singleuser.defaultURL", "unknown key; did you mean singleuser.defaultUrl?"),
        ("singeluser", "unknown key; did you mean singleuser?"),
        ("cull.timeuot", "unknown key; did you mean cull.timeout?"),
        ("hub.extraEnvs", "unknown key; did you mean hub.extraEnv?"),
        ("extraConfig", "unknown key; did you mean hub.extraConfig?"),
        ("hub.zzz", "unknown key"),
        ("scheduling.userSchedular", "unknown key; did you mean scheduling.userScheduler?"),
        ("auth", "unknown key"),
    ],
)
def test_an_unknown_key_is_a_warning_with_a_suggestion(path: str, words: str) -> None:
    assert found(nested(path, "x")) == [("warning", path, words)]


@pytest.mark.parametrize(
    "path",
    [
        "hub.config.MyClass.anything", "hub.extraConfig.any-name", "hub.extraEnv.ANY", "hub.templateVars.any",
        "hub.services.any.x", "hub.loadRoles.any.x", "singleuser.extraEnv.ANY", "custom.any.depth",
        "global.any",
        "hub.labels.any", "proxy.chp.resources.any", "scheduling.userScheduler.any",
        "ingress.annotations.any",
    ],
)  # fmt: skip
def test_below_a_free_mapping_anything_goes(path: str) -> None:
    assert found(nested(path, "text")) == []


@pytest.mark.parametrize(
    "path", ["hub.baseUrl", "hub.config", "singleuser", "cull.timeout", "hub.extraConfig.a"]
)
def test_null_is_always_allowed(path: str) -> None:
    assert found(nested(path, None)) == []


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        pytest.param(nested("singleuser.extraEnv.N", 5), "singleuser.extraEnv.N", id="a number as variable"),
        pytest.param(nested("proxy.https.hosts", ["h"]), "proxy.https", id="hosts without https"),
        pytest.param(
            nested("hub.config.JupyterHub.authenticator_class", "github"), "hub.config", id="nobody allowed"
        ),
        pytest.param(
            nested("scheduling.userPlaceholder.replicas", 4), "scheduling.userPlaceholder.replicas",
            id="placeholders without priority",
        ),
    ],
)  # fmt: skip
def test_what_does_not_do_what_it_seems_to_is_a_warning(tree: dict[str, Any], path: str) -> None:
    assert [(severity, name) for severity, name, _ in found(tree)] == [("warning", path)]


@pytest.mark.parametrize(
    "traits",
    [{"allow_all": True}, {"allowed_users": ["a"]}, {"admin_users": ["a"]}, {"allowed_organizations": ["o"]}],
    ids=str,
)
def test_with_any_allowance_somebody_may_sign_in(traits: dict[str, Any]) -> None:
    config = {"JupyterHub": {"authenticator_class": "github"}, "GitHubOAuthenticator": traits}
    assert found({"hub": {"config": config}}) == []


def test_errors_are_raised_all_at_once_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("hub:\n  baseUrl: 5\n")
    (tmp_path / "b.yaml").write_text("cull: {timeout: x}\nhub: {zzz: 1}\n")

    with pytest.raises(UsageError) as caught:
        require(load([tmp_path / "a.yaml", tmp_path / "b.yaml"]))

    assert [line.split(": ")[:3] for line in caught.value.details] == [
        ["a.yaml", "line 2", "hub.baseUrl"], ["b.yaml", "line 1", "cull.timeout"],
    ]  # fmt: skip


def test_warnings_alone_are_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("hub: {zzz: 1}\n")

    assert require(load([tmp_path / "a.yaml"])) == ("a.yaml: line 1: hub.zzz: unknown key",)


def test_a_message_holds_no_secret() -> None:
    tree = nested("hub.db.url", ["postgresql://u:hidden@h/d"])
    tree["proxy"] = {"secretToken": 123454321, "https": {"enabled": "https://u:hidden@h"}}

    told = repr(found(tree))

    assert "hidden" not in told and "123454321" not in told


SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "additionalProperties": False,
    "required": ["hub", "given"],
    "properties": {
        "given": {"type": "string"},
        "hub": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "baseUrl": {"type": ["string", "null"]},
                "db": {"type": "object"},
                "newKey": {"type": "integer", "minimum": 3},
                "config": {"type": "object"},
                "mode": {"enum": [None, "a", "b"]},
                "secretToken": {"type": "string"},
                "extraConfig": {"type": "object"},
            },
        },
    },
}


@pytest.fixture(params=["schema", "yaml schema", "folder", "archive"])
def chart(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A chart whose schema knows other keys than the table; its folder and archive have defaults as well."""
    text, values = json.dumps(SCHEMA), "given: x\nhub: {baseUrl: /}\n"
    if request.param == "archive":
        path = tmp_path / "jupyterhub-9.tgz"
        with tarfile.open(path, "w:gz") as archive:
            files = {"values.schema.json": text, "values.yaml": values, "charts/x/values.schema.json": "{"}
            for name, content in files.items():
                member = tarfile.TarInfo(f"jupyterhub/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content.encode()))
        return path
    folder = tmp_path / "jupyterhub"
    folder.mkdir()
    name = "values.schema.yaml" if request.param == "yaml schema" else "values.schema.json"
    (folder / name).write_text(text)
    (folder / "values.yaml").write_text(values)
    return folder if request.param == "folder" else folder / name


@pytest.mark.parametrize(
    ("tree", "path", "words"),
    [
        pytest.param({"hub": {"newKey": 3}}, None, "", id="a key that only the chart knows"),
        pytest.param({"hub": {"newKey": 2}}, "hub.newKey", "expected minimum 3, got 2", id="a range"),
        pytest.param({"hub": {"newkey": 3}}, "hub.newkey", "did you mean hub.newKey?", id="misspelt"),
        pytest.param({"hub": {"mode": "c"}}, "hub.mode", "expected one of a, b, got 'c'", id="a choice"),
        pytest.param({"cull": {"every": 1}}, "cull", "the chart has no such key", id="the table's own key"),
        pytest.param(
            {"hub": {"secretToken": 987}}, "hub.secretToken", "expected text, got (secret)", id="a secret"
        ),
    ],
)
def test_with_a_chart_at_hand_its_schema_decides(
    tree: dict[str, Any], path: str | None, words: str, chart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [(name, text) for severity, name, text in found(tree, chart) if severity == "error"]

    assert [name for name, _ in told] == ([path] if path else [])
    assert all(words in text for _, text in told)


def test_a_schema_without_its_charts_defaults_does_not_ask_for_them(tmp_path: Path) -> None:
    (tmp_path / "values.schema.json").write_text(json.dumps({"type": "object", "required": ["given"]}))

    assert found({}, tmp_path / "values.schema.json") == []


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        pytest.param("none.tgz", None, MissingError, id="not there"),
        pytest.param("bad.tgz", b"no archive", UsageError, id="no archive"),
        pytest.param("values.schema.json", b"[1]", UsageError, id="no schema"),
        pytest.param("values.schema.yaml", b"a: [", UsageError, id="no yaml"),
    ],
)
def test_a_chart_that_cannot_be_used_is_told(
    tmp_path: Path, name: str, content: bytes | None, kind: type[Exception]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(kind):
        found({}, tmp_path / name)


def test_errors_come_before_warnings() -> None:
    tree = {"aaa": 1, "hub": {"baseUrl": 5}}
    assert [each.severity for each in check.findings(Loaded(tree))] == ["error", "warning"]
    assert isinstance(check.findings(Loaded(tree))[0], Finding)


def test_placeholders_that_are_off_need_no_priority() -> None:
    tree = {"scheduling": {"userPlaceholder": {"enabled": False, "replicas": 4}}}

    assert [path for _, path, _ in found(tree) if path.startswith("scheduling")] == []
