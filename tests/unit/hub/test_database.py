"""Which JupyterHub made a database."""

from __future__ import annotations

import pytest

from devenv.hub.database import CURRENT, EMPTY, NEWER, OLDER, State, head, judge, read_revision

REVISIONS = {"first": None, "second": "first", "third": "second"}
TABLES = {"users", "spawners", "alembic_version"}


@pytest.mark.parametrize(
    ("tables", "found", "state"),
    [
        (set(), "", EMPTY),
        ({"somebody_elses"}, "", EMPTY),
        ({"alembic_version"}, "", EMPTY),
        (TABLES, "third", CURRENT),
        (TABLES, "first", OLDER),
        (TABLES, "of the future", NEWER),
        ({"users", "spawners"}, "", CURRENT),
        ({"users", "services"}, "", OLDER),
    ],
    ids=["nothing", "foreign", "untagged", "same", "before", "after", "0.8 untagged", "0.7"],
)
def test_a_database_is_judged_by_its_tables_and_revision(tables: set[str], found: str, state: str) -> None:
    assert judge(tables, found, REVISIONS) == State(state, found, "third")


def test_the_wanted_revision_is_the_one_that_nothing_follows() -> None:
    assert head(REVISIONS) == "third"


@pytest.mark.parametrize("revisions", [{"a": None, "b": None}, {"a": "b", "b": "a"}], ids=["two", "circle"])
def test_revisions_without_one_end_are_a_bug(revisions: dict[str, str | None]) -> None:
    with pytest.raises(ValueError, match="ends"):
        head(revisions)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("revision = 'b'\ndown_revision = 'a'\nbranch_labels = None\n", ("b", "a")),
        ('"""Doc\n\nRevision ID: x\n"""\nrevision = "a"\ndown_revision = None\n', ("a", None)),
    ],
    ids=["later", "first"],
)
def test_a_migration_script_tells_its_revision(source: str, found: tuple[str, str | None]) -> None:
    assert read_revision(source) == found
