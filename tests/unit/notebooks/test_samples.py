"""The sample notebooks as files: whether they run is shown by the integration tests."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

SAMPLES = sorted((Path(__file__).parents[3] / "jupyter" / "samples").glob("*.ipynb"))
CONTRACT = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "S3_BUCKET_NAME_PUBLIC",
    "S3_BUCKET_NAME_LAKE",
    "S3_BUCKET_NAME_NOTEBOOKS",
    "EXPLORE_DB_URL",
}

pytestmark = pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)


def cells(sample: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(sample.read_text())["cells"] if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_no_output_is_committed(sample: Path) -> None:
    for cell in cells(sample, "code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None, cell["id"]


def test_cells_have_names_of_their_own(sample: Path) -> None:
    names = [cell["id"] for kind in ("code", "markdown") for cell in cells(sample, kind)]
    assert len(names) == len(set(names))


def test_every_code_cell_compiles(sample: Path) -> None:
    for cell in cells(sample, "code"):
        ast.parse(source(cell), filename=f"{sample.name}:{cell['id']}")


def test_nothing_but_the_contract_is_read_from_the_environment(sample: Path) -> None:
    code = "\n".join(source(cell) for cell in cells(sample, "code"))
    names = re.findall(r"""os\.environ\[["'](\w+)["']\]""", code)
    assert names and set(names) <= CONTRACT
    assert code.count("os.environ") == len(names), "os.environ is used in another way than [...]"


def test_no_address_is_written_down(sample: Path) -> None:
    text = "\n".join(source(cell) for cell in cells(sample, "code"))
    assert not re.search(r"https?://|localhost|127\.0\.0\.1|endpoint_url", text)
