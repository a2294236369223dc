"""What provisioning puts into the public bucket: one real data set and the words that go with it.

The data are the Gapminder excerpt that the plotly wheel carries, so they arrive with the locked notebook
environment: no download, and the same bytes for everybody who has the same lock.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devenv.errors import MissingError

_WHEEL_PATH = Path("plotly", "package_data", "datasets", "gapminder.csv.gz")

_COLUMNS = {
    "country": "name of the country",
    "continent": "Africa, Americas, Asia, Europe or Oceania",
    "year": "1952 to 2007, every fifth year",
    "lifeExp": "life expectancy at birth, years",
    "pop": "inhabitants",
    "gdpPercap": "gross domestic product per inhabitant, international dollars, adjusted for prices",
    "iso_alpha": "country code of three letters (ISO 3166-1)",
    "iso_num": "country code of three digits (ISO 3166-1)",
    "centroid_lon": "longitude of the country's centre, degrees east",
    "centroid_lat": "latitude of the country's centre, degrees north",
}

_README = """\
# Gapminder excerpt: life expectancy, population and income of 142 countries, 1952 to 2007

`gapminder.csv`: one row for each country and year, 1,704 rows, UTF-8, commas, one header line.

| column | meaning |
|---|---|
{columns}

## Source and licence
- Data: Gapminder Foundation, https://www.gapminder.org/data/, Creative Commons Attribution 4.0
  (https://creativecommons.org/licenses/by/4.0/). Credit it as "Free data from Gapminder.org, CC BY 4.0".
- Excerpt of 142 countries and twelve years: Jennifer Bryan, gapminder (R package), CC0,
  https://doi.org/10.5281/zenodo.594018.
- Packaged, with country codes and centres added, in the plotly Python library, MIT licence,
  https://github.com/plotly/plotly.py. The file here is that one, uncompressed and otherwise unchanged.
"""


@dataclass(frozen=True)
class SeedObject:
    """One object for the public bucket; ``source`` says in a few words where its bytes come from."""

    key: str
    content_type: str
    source: str
    read: Callable[[], bytes]

    def body(self) -> bytes:
        """The object's bytes, read now. Raises MissingError when its source is gone or damaged."""
        return self.read()


def seed_objects(site_packages: Path) -> tuple[SeedObject, ...]:
    """The objects of the public bucket, from the notebook environment's ``site-packages``.

    Raises MissingError when the package that carries the data is not there.
    """
    archive = site_packages / _WHEEL_PATH
    if not archive.is_file():
        raise MissingError(
            f"the seed data are not in the notebook environment: {archive} is missing",
            hint="plotly must be among its packages: see jupyter/requirements.lock",
        )
    return (
        SeedObject(
            key="gapminder/gapminder.csv",
            content_type="text/csv; charset=utf-8",
            source="Gapminder excerpt, CC BY 4.0, as shipped with plotly",
            read=lambda: _unpacked_csv(archive),
        ),
        SeedObject(
            key="gapminder/README.md",
            content_type="text/markdown; charset=utf-8",
            source="description, licence and citation of gapminder.csv",
            read=lambda: _readme().encode(),
        ),
    )


def _unpacked_csv(archive: Path) -> bytes:
    try:
        body = gzip.decompress(archive.read_bytes())
    except (OSError, EOFError, zlib.error) as trouble:
        raise MissingError(
            f"the seed data cannot be read from {archive}: {trouble}",
            hint="install the notebook environment anew",
        ) from trouble
    header = body.partition(b"\n")[0].decode(errors="replace").strip().split(",")
    if header != list(_COLUMNS):
        raise MissingError(
            f"{archive} is not the data set that was expected: its columns are {', '.join(header)}",
            hint="install the plotly version of jupyter/requirements.lock",
        )
    return body


def _readme() -> str:
    rows = "\n".join(f"| {name} | {meaning} |" for name, meaning in _COLUMNS.items())
    return _README.format(columns=rows)
