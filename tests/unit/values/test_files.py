"""Values files are read in Helm's order, and what is wrong with them is said all at once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from devenv.errors import UsageError
from devenv.values.files import LARGEST_BYTES, Loaded, load


def written(folder: Path, *texts: str | bytes) -> list[Path]:
    """Files a.yaml, b.yaml ... in a folder, which becomes the current one."""
    paths = [folder / f"{letter}.yaml" for letter, _ in zip("abcdef", texts, strict=False)]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return paths


@pytest.fixture(autouse=True)
def _current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def problems(paths: list[Path]) -> tuple[str, ...]:
    with pytest.raises(UsageError) as caught:
        load(paths)
    return caught.value.details


def loaded(folder: Path, *texts: str | bytes) -> Loaded:
    return load(written(folder, *texts))


def test_a_later_file_wins_and_its_place_is_kept(tmp_path: Path) -> None:
    found = loaded(tmp_path, "hub: {baseUrl: /a}\ncull: {every: 1}\n", "\nhub:\n  baseUrl: /b\n")

    assert found.tree == {"hub": {"baseUrl": "/b"}, "cull": {"every": 1}}
    assert found.locate(("hub", "baseUrl"), "wrong") == "b.yaml: line 3: hub.baseUrl: wrong"
    assert found.locate(("cull", "every"), "wrong") == "a.yaml: line 2: cull.every: wrong"
    assert found.locate(("cull", "every", "deeper"), "wrong").startswith("a.yaml: line 2: ")
    assert found.origin(("debug",)) is None


@pytest.mark.parametrize("text", ["", "# nothing\n", "\ufeff", "---\n"])
def test_a_file_that_says_nothing_is_fine(tmp_path: Path, text: str) -> None:
    assert loaded(tmp_path, text).tree == {}


def test_the_documents_of_one_file_are_merged_in_order(tmp_path: Path) -> None:
    assert loaded(tmp_path, "a: {b: 1}\nc: 1\n---\na: {d: 2}\nc: 2\n").tree == {"a": {"b": 1, "d": 2}, "c": 2}


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    paths = written(tmp_path, "a: 1\na: 2\nb: !x 1\n", "- list\n", "a: [\n", b"a: \xff\n")

    told = problems([*paths, tmp_path / "none.yaml", tmp_path])

    assert [line.split(": ")[:2] for line in told[:4]] == [
        ["a.yaml", "line 2"], ["a.yaml", "line 3"], ["b.yaml", "line 1"], ["c.yaml", "line 2"],
    ]  # fmt: skip
    assert told[4] == "d.yaml: line 1: a byte that is not UTF-8"
    assert told[5] == "none.yaml: there is no such file"
    assert "cannot be read" in told[6]


def test_a_file_that_no_release_could_hold_is_refused(tmp_path: Path) -> None:
    assert "larger than 1 MiB" in problems(written(tmp_path, "a: " + "x" * LARGEST_BYTES))[0]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: b\nsops: {mac: 'ENC[AES256_GCM,data:x]', version: 3.9.0}\n", id="its own key"),
        pytest.param("a: {b: ['ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]']}\n", id="a value alone"),
    ],
)
def test_a_file_that_sops_encrypted_is_named_with_the_way_to_decrypt_it(tmp_path: Path, text: str) -> None:
    (told,) = problems(written(tmp_path, text))

    assert "encrypted by sops" in told
    assert "sops --decrypt a.yaml" in told
    assert "sops exec-file a.yaml" in told


def test_a_file_of_the_old_form_is_translated_before_it_is_merged(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        "auth:\n  type: github\n  admin: {users: [a]}\n",
        "hub: {config: {Authenticator: {admin_users: [b]}}}\n",
    )

    assert found.tree["hub"]["config"]["Authenticator"] == {"admin_users": ["b"]}
    assert found.notices[0] == "a.yaml: line 2: auth.type: now hub.config.JupyterHub.authenticator_class"
    path = ("hub", "config", "JupyterHub", "authenticator_class")
    assert found.locate(path, "x").startswith("a.yaml: line 2: ")


def test_code_in_a_file_has_the_line_where_it_begins(tmp_path: Path) -> None:
    found = loaded(tmp_path, "hub:\n  extraConfig:\n    mine: |\n      x = 1\n    short: y = 1\n")

    assert found.origins["hub", "extraConfig", "mine"].text_line == 4
    assert found.origins["hub", "extraConfig", "short"].text_line == 5


def test_what_helm_warns_of_is_a_notice(tmp_path: Path) -> None:
    found = loaded(tmp_path, "custom: {a: {x: 1}}\n", "custom:\n  a: flat\n")

    assert found.tree == {"custom": {"a": "flat"}}
    assert [line.split(": ")[:3] for line in found.notices] == [["b.yaml", "line 2", "custom.a"]]


SECRETS = "hub: {db: {url: 'postgresql://hub:s3cr3t@db/hub'}}\nproxy: {secretToken: abcdef}\n"
PLACEHOLDERS = "hub: {db: {url: 'postgresql://<user>:<password>@db/hub'}}\nproxy: {secretToken: '<token>'}\n"


def repository(folder: Path, *names: str) -> None:
    for words in (("init", "-q"), ("add", "-f", *names)):
        subprocess.run(("git", *words), cwd=folder, check=True, capture_output=True)


def test_secrets_in_a_file_that_git_tracks_are_warned_of_without_showing_them(tmp_path: Path) -> None:
    (path,) = written(tmp_path, SECRETS)
    repository(tmp_path, "a.yaml")

    (notice,) = load([path]).notices

    assert "tracked by git" in notice
    assert "hub.db.url, proxy.secretToken" in notice
    assert "s3cr3t" not in notice and "abcdef" not in notice


@pytest.mark.parametrize(
    ("text", "tracked"),
    [
        pytest.param(SECRETS, False, id="not tracked"),
        pytest.param(PLACEHOLDERS, True, id="placeholders"),
    ],
)
def test_nothing_is_said_where_nothing_is_given_away(tmp_path: Path, text: str, tracked: bool) -> None:
    paths = written(tmp_path, text, "")
    repository(tmp_path, "a.yaml" if tracked else "b.yaml")

    assert load(paths).notices == ()


@pytest.mark.parametrize("has_git", [True, False], ids=["no repository", "no git"])
def test_without_a_repository_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_git: bool
) -> None:
    if not has_git:
        monkeypatch.setenv("PATH", str(tmp_path))

    assert loaded(tmp_path, SECRETS).notices == ()


def test_loaded_values_do_not_show_themselves(tmp_path: Path) -> None:
    assert "s3cr3t" not in repr(loaded(tmp_path, SECRETS))
