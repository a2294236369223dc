"""Names of users as folders, as production's slugs and in templates."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.hub.names import expand, folder_name, log_name, slug, template_fields

# Computed by KubeSpawner 7.0.0.
SLUGS = [
    ("ada", "ada"),
    ("a-b", "a-b"),
    ("Ada", "ada---99a563ab"),
    ("ü", "x---607474ca"),
    ("1st", "x-1st---e01ddf65"),
    ("a--b", "a-b---90827a2e"),
    ("x" * 60, "x" * 37 + "---42f2d973"),
    ("-", "x---3973e022"),
    ("user.name@example.org", "user-name-example-org---e41983e4"),
]
PAIRS = [
    (("ada", "lab"), "ada--lab"),
    (("Ada Lovelace the first", "a long Server name"), "ada-lovelace-the--a-long-server-nam---7036e987"),
    (("ada", ""), "ada"),
]

# what the database can hold as a name: text that has a UTF-8 form
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("ada", "ada"),
        ("a-b", "a-2db"),
        ("A", "-41"),
        ("ü", "-c3-bc"),
        ("..", "-2e-2e"),
        ("a/b", "a-2fb"),
        ("a_b", "a-5fb"),
    ],
    ids=["plain", "hyphen", "capital", "umlaut", "parent", "slash", "underscore"],
)
def test_a_folder_name_keeps_small_letters_and_digits_alone(name: str, folder: str) -> None:
    assert folder_name(name) == folder


@given(NAMES)
def test_a_folder_name_is_never_a_path_and_fits_a_file_system(name: str) -> None:
    folder = folder_name(name)
    assert re.fullmatch(r"[a-z0-9-]+", folder)
    assert len(log_name(name, name)) <= 255


@given(NAMES, NAMES)
def test_two_names_never_share_a_folder(one: str, other: str) -> None:
    assert (folder_name(one) == folder_name(other)) == (one == other)


@given(NAMES, NAMES)
def test_a_named_server_never_shares_a_log_with_another_users_own(user: str, other: str) -> None:
    assert log_name(user, other) != log_name(user + other, "")


def test_an_empty_name_has_no_folder() -> None:
    with pytest.raises(ValueError, match="empty"):
        folder_name("")


@pytest.mark.parametrize(
    ("name", "expected"),
    SLUGS,
    ids=[name[:12] for name, _ in SLUGS],
)
def test_a_slug_is_what_kubespawner_makes_of_the_name(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize(("pair", "expected"), PAIRS, ids=["both", "long", "none"])
def test_user_and_server_together_are_what_kubespawner_makes(pair: tuple[str, str], expected: str) -> None:
    assert template_fields(*pair, userid=1)["user_server"] == expected


FIELDS = template_fields("Ada", "", 7)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{unescaped_username}", "Ada"),
        ("{{x}}", "{x}"),
        ("/home/{escaped_username}/{userid}", "/home/-41da/7"),
        ("s3-{servername}", "s3"),
        ("keeps-", "keeps-"),
        ("", ""),
    ],
    ids=["plain", "user", "doubled", "two", "empty server", "hyphen", "empty"],
)
def test_a_template_is_expanded_as_in_production(template: str, text: str) -> None:
    assert expand(template, FIELDS) == text


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{nobody}", "no template field 'nobody'"),
        ('{"a": 1}', "doubled|no template field"),
        ("{", "doubled"),
        ("{}", "doubled|no template field"),
        ("{username.x}", "doubled"),
    ],
    ids=["unknown", "json", "open", "positional", "attribute"],
)
def test_a_brace_that_is_no_field_is_an_error_that_says_so(template: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        expand(template, FIELDS)
