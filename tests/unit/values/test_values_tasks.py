"""The tasks print for people and for machines, and never a secret."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv import report, values_tasks
from devenv.errors import UsageError
from devenv.values.local import Local

LOCAL = Local(
    hub_db_url="postgresql://hub:hidden@127.0.0.1/hub",
    callback_url="http://localhost:8000/hub/oauth_callback",
    public_url="http://localhost:8000/",
    github_url="http://127.0.0.1:8010",
    authorize_url="http://127.0.0.1:8010/login/oauth/authorize",
    client_secret="hidden",
    contract={"EXPLORE_DB_PASSWORD": "hidden", "S3_BUCKET_NAME_LAKE": "habari-lake"},
)
TEXT = """
hub:
  db: {type: postgres, url: "postgresql://u:hidden@db/h"}
  config:
    JupyterHub: {authenticator_class: github}
    Authenticator: {allowed_users: [ada]}
    GitHubOAuthenticator: {client_id: theirs, client_secret: hidden}
  extraConfig:
    mine: |
      # of several lines
      c.Some.password = "hidden"
singleuser:
  extraEnv: {EXPLORE_DB_PASSWORD: hidden}
proxy: {secretToken: hidden}
"""


@pytest.fixture
def values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(TEXT)
    return [tmp_path / "a.yaml"]


class Printed:
    """A reporter, and what it printed."""

    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.reporter = report.make(environ={}, out=self.out, err=self.err)

    @property
    def text(self) -> str:
        return self.out.getvalue()

    @property
    def data(self) -> Any:
        return json.loads(self.text)


def test_valid_values_are_told_with_their_files(values: list[Path]) -> None:
    printed = Printed()

    assert values_tasks.check(printed.reporter, files=values, chart=None, json=False) == 0
    assert printed.text == "valid, by the keys that the toolkit knows: a.yaml\n"


def test_errors_and_warnings_are_told_and_give_exit_code_2(values: list[Path]) -> None:
    values[0].write_text("hub: {baseUrl: 5}\nsinglueser: {}\n")
    printed = Printed()

    assert values_tasks.check(printed.reporter, files=values, chart=None, json=False) == 2
    assert printed.text == "error: a.yaml: line 1: hub.baseUrl: expected text, got 5; put it in quotes\n"
    assert "a.yaml: line 2: singlueser: unknown key; did you mean singleuser?" in printed.err.getvalue()


def test_findings_come_as_data_with_file_and_line(values: list[Path]) -> None:
    values[0].write_text("hub: {baseUrl: 5}\nauth: {type: dummy}\n")
    printed = Printed()

    assert values_tasks.check(printed.reporter, files=values, chart=None, json=True) == 2
    assert printed.data["findings"] == [
        {
            "severity": "error", "file": "a.yaml", "line": 1, "key": "hub.baseUrl",
            "text": "expected text, got 5; put it in quotes",
        }
    ]  # fmt: skip
    assert len(printed.data["notices"]) == 1


@pytest.mark.parametrize("form", ["hub", "chart"])
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "yaml"])
def test_a_rendering_is_readable_and_holds_no_secret(values: list[Path], form: str, as_json: bool) -> None:
    printed = Printed()
    values_tasks.render(printed.reporter, local=LOCAL, files=values, form=form, json=as_json)

    data = printed.data if as_json else yaml.safe_load(printed.text)
    assert "hidden" not in printed.text
    if form == "hub":
        assert data["authenticator"] == "github"
        assert data["people"]["allowed"] == ["ada"]
        assert data["overrides"]["GitHubOAuthenticator"]["oauth_callback_url"] == LOCAL.callback_url
        assert data["spawner_environment"]["S3_BUCKET_NAME_LAKE"] == "habari-lake"
    else:
        assert data["proxy"]["service"]["type"] == "NodePort"
        assert data["hub"]["config"]["GitHubOAuthenticator"]["client_id"] == "theirs"


def test_code_of_several_lines_is_rendered_as_a_block(values: list[Path]) -> None:
    printed = Printed()
    values_tasks.render(printed.reporter, local=LOCAL, files=values, form="hub", json=False)

    assert "  mine: |\n    # of several lines\n" in printed.text


def test_an_unknown_form_names_the_known_ones(values: list[Path]) -> None:
    with pytest.raises(UsageError, match="hub, chart"):
        values_tasks.render(Printed().reporter, local=LOCAL, files=values, form="helm", json=False)


def test_differences_are_a_table_for_people(values: list[Path]) -> None:
    printed = Printed()
    values_tasks.diff(printed.reporter, local=LOCAL, files=values, json=False)

    heading, *rows = printed.text.splitlines()
    assert heading.split() == ["key", "production", "local", "why"]
    assert any(row.startswith("hub.db.url ") and "postgresql://u:(secret)@db/h" in row for row in rows)
    assert "hidden" not in printed.text


def test_differences_are_a_list_for_machines(values: list[Path]) -> None:
    printed = Printed()
    values_tasks.diff(printed.reporter, local=LOCAL, files=values, json=True)

    (token,) = [each for each in printed.data if each["path"] == "proxy.secretToken"]
    assert (token["production"], token["local"]) == ("(secret)", None)
    assert token["link"].endswith("#proxy-secrettoken")
    assert "hidden" not in printed.text


def test_differences_of_a_hub_in_a_cluster_are_those_of_the_overlay(values: list[Path]) -> None:
    printed = Printed()
    values_tasks.diff(printed.reporter, local=LOCAL, files=values, json=True, form="chart")

    found = {each["path"]: each for each in printed.data}
    assert found["proxy.service.type"]["local"] == "NodePort"
    assert "hub.config.JupyterHub.spawner_class" not in found
    assert "hidden" not in printed.text


@pytest.mark.parametrize("task", ["render", "diff"])
def test_values_that_are_not_valid_are_not_rendered(values: list[Path], task: str) -> None:
    values[0].write_text("hub: {baseUrl: 5}\n")
    more = {"form": "hub"} if task == "render" else {}

    with pytest.raises(UsageError):
        getattr(values_tasks, task)(Printed().reporter, local=LOCAL, files=values, json=False, **more)
