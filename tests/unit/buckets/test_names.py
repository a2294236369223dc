"""Names and paths: what an API path means in a bucket, for any name that people and programs come up with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_buckets.names import (
    KEY_BYTES,
    NameRefusedError,
    Place,
    Root,
    address,
    check,
    from_environment,
    is_shown,
    locate,
    make_roots,
)

CONTRACT = {
    "S3_BUCKET_NAME_PUBLIC": "p-public",
    "S3_BUCKET_NAME_LAKE": "p-lake",
    "S3_BUCKET_NAME_NOTEBOOKS": "p-notebooks",
}
ROOTS = make_roots(from_environment(CONTRACT))

texts = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
parts = texts.filter(is_shown)
paths = (
    st.lists(parts, min_size=1, max_size=5).map("/".join).filter(lambda path: len(path.encode()) <= KEY_BYTES)
)
roots = st.sampled_from([*ROOTS.values(), Root("maps", "geo", "a/b/")])
places = st.builds(Place, roots, paths)


@given(places)
def test_every_place_is_found_again_by_its_own_path(place: Place) -> None:
    every = {**ROOTS, "maps": Root("maps", "geo", "a/b/")}
    check(place)
    assert locate(place.api_path, every) == place
    assert locate(f"/{place.api_path}/", every) == place


@given(places)
def test_a_place_is_the_child_of_its_parent_and_in_its_folder(place: Place) -> None:
    assert place.parent.child(place.name) == place
    assert place.key.startswith(place.parent.folder)
    assert place.folder == f"{place.key}/"
    assert place.key.startswith(place.root.prefix)


@given(places, places)
def test_two_places_of_one_root_never_share_a_key(one: Place, other: Place) -> None:
    if one.root == other.root:
        assert (one.key == other.key) == (one == other)


@given(st.text(max_size=60))
def test_any_text_is_either_a_good_place_or_refused_with_words(path: str) -> None:
    place = Place(ROOTS["lake"], path)
    try:
        check(place)
    except NameRefusedError as error:
        assert str(error)
        return
    assert len(place.key.encode()) <= KEY_BYTES
    assert all(is_shown(part) for part in path.split("/"))


@given(parts.filter(lambda name: name not in ROOTS), paths)
def test_a_path_outside_the_roots_is_a_local_one(first: str, rest: str) -> None:
    assert locate(first, ROOTS) is None
    assert locate(f"{first}/{rest}", ROOTS) is None


@given(st.sampled_from(sorted(ROOTS)), paths)
def test_a_copied_path_becomes_the_address_that_pandas_takes(root: str, path: str) -> None:
    assert address(f"{root}/{path}", CONTRACT) == f"s3://p-{root}/{path}"


REFUSED = [
    pytest.param("", id="the root itself"),
    pytest.param("a//b", id="an empty part"),
    pytest.param(".", id="a dot"),
    pytest.param("a/../b", id="two dots"),
    pytest.param("a\0b", id="a NUL"),
    pytest.param("\ud800", id="half a character"),
    pytest.param("é" * 513, id="1,026 bytes in 513 letters"),
]


@pytest.mark.parametrize("path", REFUSED)
def test_a_name_that_could_not_be_opened_again_is_refused(path: str) -> None:
    with pytest.raises(NameRefusedError):
        check(Place(ROOTS["lake"], path))


def test_the_longest_key_is_taken_with_its_prefix_counted() -> None:
    check(Place(Root("r", "b"), "n" * KEY_BYTES))
    with pytest.raises(NameRefusedError):
        check(Place(Root("r", "b", "p/"), "n" * KEY_BYTES))


def test_the_contract_gives_three_roots_and_an_empty_variable_none() -> None:
    environ = {**CONTRACT, "S3_BUCKET_NAME_OLD": "", "AWS_DEFAULT_REGION": "x"}
    assert from_environment(environ) == {"public": "p-public", "lake": "p-lake", "notebooks": "p-notebooks"}


PATTERNS = [
    pytest.param("{name}", ["lake", "public"], id="by name"),
    pytest.param("{bucket}", ["p-lake", "p-public"], id="by bucket"),
    pytest.param("s3:{bucket}", ["s3:p-lake", "s3:p-public"], id="as upstream"),
]


@pytest.mark.parametrize(("pattern", "names"), PATTERNS)
def test_roots_are_named_by_the_pattern(pattern: str, names: list[str]) -> None:
    assert list(make_roots({"lake": "p-lake", "public": "p-public"}, pattern)) == names


def test_a_folder_of_a_bucket_can_be_a_root() -> None:
    assert make_roots({"maps": "geo/a/b/"})["maps"] == Root("maps", "geo", "a/b/")


BAD_ROOTS = [
    pytest.param({"a": ""}, "{name}", id="no bucket"),
    pytest.param({"a": "b"}, "{name}/{bucket}", id="a slash in the name"),
    pytest.param({"..": "b"}, "{name}", id="two dots as the name"),
    pytest.param({"a": "b", "c": "b"}, "{bucket}", id="two of one name"),
]


@pytest.mark.parametrize(("buckets", "pattern"), BAD_ROOTS)
def test_a_root_that_could_not_be_shown_is_refused(buckets: dict[str, str], pattern: str) -> None:
    with pytest.raises(NameRefusedError):
        make_roots(buckets, pattern)


def test_a_path_outside_the_buckets_has_no_address() -> None:
    with pytest.raises(KeyError):
        address("samples/a.ipynb", CONTRACT)
