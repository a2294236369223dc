"""Moves that are written down while they last."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jupyter_buckets.journal import Journal


def test_a_move_that_ended_is_not_told_whether_well_or_not(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "moves")
    with journal.open("a", "b", 3):
        assert len(list((tmp_path / "moves").iterdir())) == 1
    with pytest.raises(OSError, match="gone"), journal.open("a", "b", 3):
        raise OSError("gone")
    assert journal.cut_off() == []


def test_a_move_of_a_process_that_died_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"source": "lake/a", "target": "b", "files": 3}))
    (told,) = Journal(tmp_path).cut_off()
    assert '3 files from "lake/a" to "b" was cut off' in told
    assert Journal(tmp_path).cut_off() == []


def test_a_move_under_way_is_left_to_its_process(tmp_path: Path) -> None:
    with Journal(tmp_path).open("a", "b", 3):
        assert Journal(tmp_path).cut_off() == []
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"], ids=["empty", "cut", "a list", "no keys"])
def test_an_unreadable_note_stops_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert Journal(tmp_path).cut_off() == []
