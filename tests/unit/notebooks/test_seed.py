"""The public bucket's seed data, from a folder that looks like the notebook environment's."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from devenv.errors import MissingError
from devenv.seed import SeedObject, seed_objects

HEADER = b"country,continent,year,lifeExp,pop,gdpPercap,iso_alpha,iso_num,centroid_lon,centroid_lat\n"
ROW = b"Kenya,Africa,2007,54.11,35610177,1463.249282,KEN,404,38.0,1.0\n"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The data set's file in a site-packages folder that is ``tmp_path``."""
    path = tmp_path / "plotly" / "package_data" / "datasets" / "gapminder.csv.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(HEADER + ROW))
    return path


def named(site_packages: Path, key: str) -> SeedObject:
    return next(item for item in seed_objects(site_packages) if item.key == key)


def test_the_data_are_uncompressed_and_otherwise_unchanged(archive: Path, tmp_path: Path) -> None:
    data = named(tmp_path, "gapminder/gapminder.csv")
    assert data.body() == HEADER + ROW
    assert data.content_type.startswith("text/csv")


def test_the_description_names_licence_source_and_every_column(archive: Path, tmp_path: Path) -> None:
    text = named(tmp_path, "gapminder/README.md").body().decode()
    for column in HEADER.decode().strip().split(","):
        assert f"| {column} |" in text
    for words in ("Creative Commons Attribution 4.0", "gapminder.org", "MIT"):
        assert words in text


def test_the_same_lock_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    first, second = seed_objects(tmp_path), seed_objects(tmp_path)
    assert [item.body() for item in first] == [item.body() for item in second]


def test_a_missing_package_is_named_with_its_lock(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="plotly"):
        seed_objects(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"not gzip", "cannot be read", id="not-gzip"),
        pytest.param(gzip.compress(HEADER + ROW)[:40], "cannot be read", id="cut-short"),
        pytest.param(gzip.compress(b"a,b\n1,2\n"), "columns are a, b", id="another-data-set"),
        pytest.param(gzip.compress(b""), "not the data set", id="empty"),
    ],
)
def test_damaged_data_are_never_uploaded(archive: Path, tmp_path: Path, content: bytes, words: str) -> None:
    archive.write_bytes(content)
    with pytest.raises(MissingError, match=words):
        named(tmp_path, "gapminder/gapminder.csv").body()
