"""YAML is read as Helm reads it, and every key has its place."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from devenv.values import yaml_text
from devenv.values.yaml_text import Document, Place, parse


@pytest.fixture(params=[True, False], ids=["libyaml", "python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and not yaml.__with_libyaml__:
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(yaml, "__with_libyaml__", request.param)
    yaml_text._loader_class.cache_clear()
    request.addfinalizer(yaml_text._loader_class.cache_clear)


def one(text: str) -> Document:
    (document,) = parse(text)
    return document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("yes", True, id="yes is true"),
        pytest.param("y", True, id="y is true"),
        pytest.param("off", False, id="off is false"),
        pytest.param("'on'", "on", id="quotes make text"),
        pytest.param("~", None, id="tilde is null"),
        pytest.param("", None, id="nothing is null"),
        pytest.param("0755", 493, id="octal"),
        pytest.param("0o17", 15, id="octal of YAML 1.2"),
        pytest.param("0x1F", 31, id="hexadecimal"),
        pytest.param("1_000", 1000, id="underscores"),
        pytest.param("_1", "_1", id="an underscore first is text"),
        pytest.param("-5", -5, id="negative"),
        pytest.param("0.10", 0.1, id="a tag without quotes"),
        pytest.param("1e3", 1000.0, id="exponent without a point"),
        pytest.param("1e400", "1e400", id="more than a float holds"),
        pytest.param("99999999999999999999", 1e20, id="more than an integer holds"),
        pytest.param("1:30", "1:30", id="no numbers of base 60"),
        pytest.param("2026-01-01", "2026-01-01", id="dates stay text"),
        pytest.param("!!str 5", "5", id="a tag makes text"),
        pytest.param("!!float 5", 5.0, id="a tag makes a float"),
        pytest.param("1.2.3", "1.2.3", id="a version"),
        pytest.param("v1", "v1", id="plain text"),
    ],
)
def test_a_plain_value_means_what_helm_takes_it_for(text: str, value: Any) -> None:
    document = one(f"a: {text}\n")

    assert document.problems == []
    assert document.tree == {"a": value}
    assert type(document.tree["a"]) is type(value)


def test_every_key_becomes_text_as_in_json() -> None:
    assert list(one("on: 1\n2: 1\n0x10: 1\n1.5: 1\nplain: 1\n").tree) == [
        "true", "2", "16", "1.5", "plain",
    ]  # fmt: skip


def test_anchors_aliases_and_merge_keys_work() -> None:
    document = one("base: &base {k: 1, deep: {x: 1}}\ncopy: *base\nmore:\n  <<: *base\n  k: 2\n")

    assert document.problems == []
    assert document.tree["copy"] == {"k": 1, "deep": {"x": 1}}
    assert document.tree["more"] == {"k": 2, "deep": {"x": 1}}
    assert document.places["more", "k"].line == 5
    assert document.places["more", "deep"].line == 1


def test_a_merge_key_goes_over_what_stands_before_it_as_in_helm() -> None:
    assert one("a: &a {k: 1}\nb: {k: 2, <<: *a}\n").tree["b"] == {"k": 1}


def test_of_a_list_of_merge_keys_the_first_wins() -> None:
    assert one("a: &a {k: 1}\nb: &b {k: 2, l: 3}\nc: {<<: [*a, *b]}\n").tree["c"] == {"k": 1, "l": 3}


def test_each_key_and_item_has_its_line_and_code_its_first() -> None:
    document = one("hub:\n  extraConfig:\n    mine: |\n\n      x = 1\n  list:\n    - a\n    - b: 1\n")

    assert document.places["hub", "extraConfig", "mine"] == Place(line=3, text_line=4)
    assert document.places["hub", "list", "1", "b"].line == 8


@pytest.mark.parametrize(
    ("text", "line", "path", "words"),
    [
        pytest.param("a: 1\nb: 2\na: 3\n", 3, ("a",), "stands in line 1 already", id="a key twice"),
        pytest.param("a:\n\t- b\n", 2, (), "tab", id="a tab"),
        pytest.param("- a\n", 1, (), "expected keys with values", id="a list on top"),
        pytest.param("just text\n", 1, (), "expected keys with values", id="text on top"),
        pytest.param("a: !foo 3\n", 1, ("a",), "a tag that Helm does not know", id="an unknown tag"),
        pytest.param("a: .nan\n", 1, ("a",), "JSON cannot say", id="not a number"),
        pytest.param("a: &a [*a]\n", 1, ("a", "0"), "an alias of what it stands in", id="a circle"),
        pytest.param("a: \x00\n", 1, (), "a character that YAML does not allow", id="a null character"),
        pytest.param("? [a]\n: 1\n", 1, (), "a key must be plain text", id="a list as key"),
        pytest.param("~: 1\n", 1, (), "a key must not be null", id="null as key"),
        pytest.param("a: {<<: 5}\n", 1, ("a",), "<< takes a mapping", id="a number merged"),
        pytest.param("[" * 100_000, 1, (), "nested too deeply", id="depth"),
    ],
)
def test_a_problem_names_its_line_and_key(text: str, line: int, path: tuple[str, ...], words: str) -> None:
    problems = [problem for document in parse(text) for problem in document.problems]

    assert [(each.line, each.path) for each in problems] == [(line, path)]
    assert words in problems[0].text


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    assert [each.text for each in one("\n".join(lines)).problems] == [
        "too many values; aliases of aliases multiply"
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n", "--- ~\n"])
def test_a_file_that_says_nothing_is_an_empty_mapping(text: str) -> None:
    assert [(document.tree, document.problems) for document in parse(text)] in ([], [({}, [])])


def test_each_document_of_a_file_is_read() -> None:
    assert [document.tree for document in parse("a: 1\n---\na: 2\n")] == [{"a": 1}, {"a": 2}]


# YAML 1.1 takes the separators of lines and paragraphs (Zl, Zp) for line breaks, JSON does not.
NO_TEXT = ["Cc", "Cs", "Cn", "Co", "Zl", "Zp"]
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=NO_TEXT), max_size=8)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, TREES, max_size=4))
def test_what_is_written_as_json_is_read_back(tree: dict[str, Any]) -> None:
    import json

    document = one(json.dumps(tree, ensure_ascii=False))

    assert document.problems == []
    assert document.tree == tree


@given(st.text(max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    parse(text)
