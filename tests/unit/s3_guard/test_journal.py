"""The undo journal, killed at every step it takes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devenv.s3.guard.journal import Journal, JournalDamagedError

OLD = {
    "objects/data": "old body",
    "objects/data.meta.json": "old meta",
    "objects/gone": "old",
    "bucket/deep/x": "x",
}
NEW = {"objects/data": "new body", "objects/data.meta.json": "new meta", "objects/fresh": "fresh"}


class Killed(BaseException):
    """Stands for SIGKILL: no code that handles exceptions may rely on it."""


def make_folder(root: Path) -> Journal:
    for name, text in OLD.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    journal = Journal(root)
    journal.recover()
    return journal


def change_everything(journal: Journal, root: Path) -> None:
    journal.begin()
    journal.write(str(root / "objects/data"), b"half-way")
    journal.write(str(root / "objects/data"), b"new body")
    journal.write(str(root / "objects/data.meta.json"), b"new meta")
    journal.write(str(root / "objects/fresh"), b"fresh")
    journal.remove(str(root / "objects/gone"))
    journal.remove(str(root / "bucket"))
    journal.remove(str(root / "objects/never"))
    journal.commit()


def contents(root: Path) -> dict[str, str]:
    files = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_text() for name, path in files.items() if not name.startswith("journal/")}


def leftovers(root: Path) -> list[str]:
    assert (root / "journal" / "active").read_bytes() == b""
    return [path.name for path in (root / "journal").iterdir() if path.name != "active"]


@contextmanager
def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Die at the ``step``-th change of the file system; a dying write leaves half of its bytes."""
    taken: list[str] = []

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def step_or_die(*arguments: Any, **named: Any) -> Any:
            if len(taken) == step:
                if name == "write":
                    call(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                raise Killed
            taken.append(name)
            return call(*arguments, **named)

        return step_or_die

    with monkeypatch.context() as patched:
        for name in ("open", "write", "rename", "ftruncate", "unlink", "rmdir"):
            patched.setattr(os, name, counted(name, getattr(os, name)))
        yield taken


def test_a_committed_transaction_is_there_and_leaves_nothing_behind(tmp_path: Path) -> None:
    change_everything(make_folder(tmp_path), tmp_path)
    assert contents(tmp_path) == NEW
    assert leftovers(tmp_path) == []


def test_a_rolled_back_transaction_leaves_what_was_there(tmp_path: Path) -> None:
    journal = make_folder(tmp_path)
    journal.begin()
    journal.write(str(tmp_path / "objects/data"), b"new")
    journal.write(str(tmp_path / "objects/fresh"), b"new")
    journal.remove(str(tmp_path / "bucket"))
    journal.rollback()
    assert contents(tmp_path) == OLD
    assert leftovers(tmp_path) == []


def test_a_kill_at_any_step_leaves_all_of_the_old_or_all_of_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = []
    for step in range(200):
        root = tmp_path / str(step)
        journal = make_folder(root)
        try:
            with killed_at(step, monkeypatch):
                change_everything(journal, root)
        except Killed:
            Journal(root).recover()
            outcomes.append(contents(root))
            assert leftovers(root) == []
            continue
        break
    assert all(found in (OLD, NEW) for found in outcomes)
    assert outcomes == sorted(outcomes, key=lambda found: found == NEW)
    assert OLD in outcomes
    assert NEW in outcomes


def test_a_recovery_killed_at_any_step_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(200):
        root = tmp_path / str(step)
        journal = make_folder(root)
        with pytest.raises(Killed), killed_at(16, monkeypatch):
            change_everything(journal, root)
        assert contents(root) != OLD
        try:
            with killed_at(step, monkeypatch):
                Journal(root).recover()
        except Killed:
            Journal(root).recover()
            assert contents(root) == OLD
            continue
        assert contents(root) == OLD
        return
    pytest.fail("the recovery never ended")


def test_after_a_failure_nothing_more_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = make_folder(tmp_path)
    journal.begin()
    journal.write(str(tmp_path / "objects/fresh"), b"fresh")

    def full(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            journal.write(str(tmp_path / "objects/data"), b"new")
    with pytest.raises(OSError, match="No space left"):
        journal.remove(str(tmp_path / "objects/gone"))
    assert journal.failure is not None
    journal.rollback()
    assert contents(tmp_path) == OLD
    assert journal.failure is None


def test_a_change_outside_a_transaction_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="outside a transaction"):
        make_folder(tmp_path).write(str(tmp_path / "objects/data"), b"new")


def test_a_second_transaction_cannot_start_inside_the_first(tmp_path: Path) -> None:
    journal = make_folder(tmp_path)
    journal.begin()
    with pytest.raises(RuntimeError, match="open already"):
        journal.begin()


@pytest.mark.parametrize(
    "line",
    [b"rubbish\n", b'["moved","x"]\n', b'["other","x"]\n', b"{}\n"],
    ids=["text", "short", "kind", "object"],
)
def test_a_damaged_journal_is_named_and_left_alone(tmp_path: Path, line: bytes) -> None:
    make_folder(tmp_path)
    (tmp_path / "journal" / "active").write_bytes(line)
    with pytest.raises(JournalDamagedError, match="active"):
        Journal(tmp_path).recover()
    assert (tmp_path / "journal" / "active").read_bytes() == line
    assert contents(tmp_path) == OLD


def test_keys_that_are_not_utf8_or_hold_line_breaks_are_put_back(tmp_path: Path) -> None:
    names = ["line\nbreak", "ж", "space d", os.fsdecode(b"\xff\xfe")]
    for name in names:
        (tmp_path / name).write_text("old")
    journal = Journal(tmp_path)
    journal.recover()
    journal.begin()
    for name in names:
        journal.write(str(tmp_path / name), b"new")
    Journal(tmp_path).recover()
    assert {(tmp_path / name).read_text() for name in names} == {"old"}


def test_a_folder_that_was_moved_elsewhere_recovers_there(tmp_path: Path) -> None:
    journal = make_folder(tmp_path / "here")
    journal.begin()
    journal.write(str(tmp_path / "here" / "objects/data"), b"new")
    (tmp_path / "here").rename(tmp_path / "there")
    Journal(tmp_path / "there").recover()
    assert contents(tmp_path / "there") == OLD
