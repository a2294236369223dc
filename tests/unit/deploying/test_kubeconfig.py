"""Which cluster is meant: the context that is named, in a file that is only read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv.errors import MissingError, UsageError
from devenv.helm.cli import Target
from devenv.kubeconfig import target


def config(path: Path, *contexts: str, current: str = "", **more: Any) -> Path:
    """A kubeconfig with these contexts, each with a cluster and a user of its name."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "contexts": [{"name": each, "context": {"cluster": each, "user": each}} for each in contexts],
        "clusters": [{"name": each, "cluster": {"server": "https://example.org"}} for each in contexts],
        "users": [{"name": each, "user": {"token": "hidden"}} for each in contexts],
        **more,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_named_context_of_the_named_file_is_taken(tmp_path: Path) -> None:
    file = config(tmp_path / "config", "production", "staging", current="staging")

    assert target("production", file, {}) == Target(file, "production")


def test_the_file_is_left_as_it_is(tmp_path: Path) -> None:
    file = config(tmp_path / "config", "production", current="other")
    before = (file.read_bytes(), file.stat().st_mtime_ns)

    target("production", file, {})

    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def test_the_files_of_kubeconfig_are_looked_through_in_their_order(tmp_path: Path) -> None:
    one = config(tmp_path / "one", "production")
    two = config(tmp_path / "two", "production", "staging")
    listed = os.pathsep.join(map(str, (tmp_path / "gone", one, two)))

    assert target("staging", None, {"KUBECONFIG": listed}) == Target(two, "staging")
    assert target("production", None, {"KUBECONFIG": listed}) == Target(one, "production")


def test_without_any_word_it_is_the_file_of_the_home(tmp_path: Path) -> None:
    file = config(tmp_path / ".kube" / "config", "production")

    assert target("production", None, {"HOME": str(tmp_path)}) == Target(file, "production")


def test_without_a_context_the_current_one_is_not_taken(tmp_path: Path) -> None:
    file = config(tmp_path / "config", "production", "staging", current="staging")

    with pytest.raises(UsageError, match="no context is named") as caught:
        target("", file, {})
    assert caught.value.hint.endswith("there is production, staging")


def test_a_missing_context_is_wrong_use_even_where_there_is_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no context is named"):
        target("", tmp_path / "gone", {})


def test_an_unknown_context_is_told_with_the_known_ones(tmp_path: Path) -> None:
    file = config(tmp_path / "config", "production")

    with pytest.raises(UsageError, match="no context 'prodution'") as caught:
        target("prodution", file, {})
    assert "production" in caught.value.hint


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no kubeconfig at"):
        target("production", tmp_path / "gone", {})


@pytest.mark.parametrize(
    "text",
    [
        "[: hidden",
        "- hidden",
        "hidden",
        "contexts: hidden",
        "contexts: [hidden, {}]",
        "contexts: [{name: 1}]",
    ],
)
def test_what_is_no_kubeconfig_is_told_without_what_is_in_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)

    with pytest.raises(UsageError) as caught:
        target("production", tmp_path / "config", {})
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("kind", ["clusters", "users"])
def test_a_context_that_is_spread_over_files_is_refused_with_the_mend(tmp_path: Path, kind: str) -> None:
    file = config(tmp_path / "config", "production", **{kind: []})

    with pytest.raises(UsageError, match=f"the {kind[:-1]} of the context production is not in") as caught:
        target("production", file, {})
    assert "kubectl config view --flatten --minify --context production" in caught.value.hint


def test_a_context_that_says_nothing_is_refused(tmp_path: Path) -> None:
    file = config(tmp_path / "config", contexts=[{"name": "production"}])

    with pytest.raises(UsageError, match="the cluster of the context production is not in"):
        target("production", file, {})
