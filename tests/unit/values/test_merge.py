"""Files are merged as Helm merges them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.values.merge import clashes, coalesce, merge

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.lists(st.integers(0, 2), max_size=2)


def mappings(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(
        NAMES,
        st.recursive(leaves, lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=6),
        max_size=3,
    )


TREES = mappings(SCALARS)
# In these a key is a mapping in all of them or in none.
ALIKE = st.fixed_dictionaries(
    {},
    optional={"leaf": SCALARS, "tree": st.dictionaries(NAMES, SCALARS, max_size=3)},
)


# What https://helm.sh/docs/chart_template_guide/values_files/ and Helm's own tests of MergeMaps say.
@pytest.mark.parametrize(
    ("lower", "upper", "merged"),
    [
        pytest.param({"a": 1}, {"b": 2}, {"a": 1, "b": 2}, id="both keys stay"),
        pytest.param({"a": 1}, {"a": 2}, {"a": 2}, id="the later scalar wins"),
        pytest.param({"a": {"x": 1, "y": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}, id="mappings merge"),
        pytest.param(
            {"a": {"b": {"c": 1, "d": 1}}}, {"a": {"b": {"c": 2}}}, {"a": {"b": {"c": 2, "d": 1}}}, id="deep"
        ),
        pytest.param({"a": [1, 2, 3]}, {"a": [4]}, {"a": [4]}, id="lists are replaced"),
        pytest.param({"a": [{"x": 1}]}, {"a": [{"y": 2}]}, {"a": [{"y": 2}]}, id="lists of mappings too"),
        pytest.param({"a": "flat"}, {"a": {"x": 1}}, {"a": {"x": 1}}, id="a mapping over a scalar"),
        pytest.param({"a": {"x": 1}}, {"a": "flat"}, {"a": "flat"}, id="a scalar over a mapping"),
        pytest.param({"a": {"x": 1}}, {"a": None}, {"a": None}, id="null stays for the defaults"),
        pytest.param({"a": None}, {"a": {"x": 1}}, {"a": {"x": 1}}, id="a value over a null"),
        pytest.param({"a": {"x": 1}}, {"a": {}}, {"a": {"x": 1}}, id="an empty mapping changes nothing"),
        pytest.param({"a": 1}, {"a": ""}, {"a": ""}, id="empty text is a value"),
        pytest.param({"a": True}, {"a": False}, {"a": False}, id="false is a value"),
    ],
)
def test_a_later_file_goes_over_an_earlier_one(
    lower: dict[str, Any], upper: dict[str, Any], merged: dict[str, Any]
) -> None:
    assert merge(lower, upper) == merged


# https://helm.sh/docs/chart_template_guide/values_files/#deleting-a-default-key and Helm's own tests.
@pytest.mark.parametrize(
    ("values", "defaults", "seen"),
    [
        pytest.param({}, {"a": {"x": 1}}, {"a": {"x": 1}}, id="a default"),
        pytest.param({"a": {"y": 2}}, {"a": {"x": 1}}, {"a": {"x": 1, "y": 2}}, id="beside a default"),
        pytest.param({"a": None}, {"a": {"x": 1}}, {}, id="null deletes a default"),
        pytest.param({"a": {"x": None}}, {"a": {"x": 1, "y": 1}}, {"a": {"y": 1}}, id="null deletes deep"),
        pytest.param(
            {"probe": {"httpGet": None, "exec": {"command": ["cat"]}}},
            {"probe": {"httpGet": {"path": "/"}, "delay": 120}},
            {"probe": {"exec": {"command": ["cat"]}, "delay": 120}},
            id="the documentation's example",
        ),
        pytest.param({"a": {"n": None}}, {"a": {}}, {"a": {"n": None}}, id="a null without default stays"),
        pytest.param({"n": {"x": None}}, {}, {"n": {"x": None}}, id="and one below a key without default"),
        pytest.param({"a": None, "b": 1}, {"a": None}, {"b": 1}, id="unless its default is a topmost null"),
        pytest.param({}, {"a": None, "b": {"c": None}}, {"b": {}}, id="a null default is left out"),
        pytest.param({"a": "flat"}, {"a": {"x": 1}}, {"a": "flat"}, id="a scalar over a mapping of defaults"),
        pytest.param({"a": {"x": 1}}, {"a": "flat"}, {"a": {"x": 1}}, id="a mapping over a scalar default"),
        pytest.param({"a": [1]}, {"a": [2, 3]}, {"a": [1]}, id="a list is replaced"),
    ],
)
def test_values_go_over_a_charts_defaults(
    values: dict[str, Any], defaults: dict[str, Any], seen: dict[str, Any]
) -> None:
    assert coalesce(values, defaults) == seen


def test_a_null_in_a_file_deletes_the_default_that_a_file_before_it_changed() -> None:
    files = merge({"a": {"x": 2}}, {"a": None})

    assert coalesce(files, {"a": {"x": 1}, "b": 1}) == {"b": 1}


def test_where_a_mapping_meets_something_else_is_told() -> None:
    lower = {"a": {"x": 1}, "b": 1, "c": None, "d": {"e": {"f": 1}}}
    upper = {"a": 1, "b": {"x": 1}, "c": {"x": 1}, "d": {"e": None}}

    assert list(clashes(lower, upper)) == [("a",), ("b",)]


@given(TREES)
def test_an_empty_file_on_either_side_changes_nothing(tree: dict[str, Any]) -> None:
    assert merge(tree, {}) == merge({}, tree) == tree


@given(TREES)
def test_the_same_file_twice_is_the_same_as_once(tree: dict[str, Any]) -> None:
    assert merge(tree, tree) == tree


@given(ALIKE, ALIKE, ALIKE)
def test_files_of_one_shape_may_be_merged_in_any_grouping(
    a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]
) -> None:
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(TREES, TREES)
def test_each_value_of_the_later_file_is_in_the_result(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    def holds(merged: Any, given: Any) -> bool:
        if not isinstance(given, dict):
            return bool(merged == given)
        return isinstance(merged, dict) and all(holds(merged[key], given[key]) for key in given)

    assert holds(merge(lower, upper), upper)


@given(TREES, TREES)
def test_nothing_given_is_changed_or_shared(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    before = deepcopy((lower, upper))
    for merged in (merge(lower, upper), coalesce(upper, lower)):
        for value in merged.values():
            if isinstance(value, dict):
                value["changed"] = True
            elif isinstance(value, list):
                value.append("changed")

    assert (lower, upper) == before


@given(TREES, TREES, NAMES)
def test_a_null_always_deletes_a_default(values: dict[str, Any], defaults: dict[str, Any], name: str) -> None:
    defaults = {**defaults, name: 1}

    assert name not in coalesce({**values, name: None}, defaults)


@given(TREES)
def test_values_over_no_defaults_stay_as_they_are(tree: dict[str, Any]) -> None:
    assert coalesce(tree, {}) == tree
