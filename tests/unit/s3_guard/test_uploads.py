"""Which completions of an upload are refused."""

from __future__ import annotations

from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from devenv.s3.guard.uploads import parts_refused

S3 = SimpleNamespace(fromstring=ElementTree.fromstring, _find_xml_tag=lambda parent, name: parent.find(name))
FULL = 5 << 20
PARTS = {1: FULL, 2: FULL, 3: FULL - 1, 4: 1}


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ((1, 2, 3), ""),
        ((4,), ""),
        ((2, 4), ""),
        ((1, 9), ""),  # the engine knows what is not there
        ((2, 1), "InvalidPartOrder"),
        ((1, 1), "InvalidPartOrder"),
        ((1, 3, 4), "EntityTooSmall"),
        ((), "MalformedXML"),
        (("x",), "MalformedXML"),
        (("",), "MalformedXML"),
    ],
    ids=str,
)
def test_parts_are_in_order_and_all_but_the_last_large_enough(numbers: tuple[object, ...], code: str) -> None:
    named = "".join(f"<Part><PartNumber>{number}</PartNumber></Part>" for number in numbers)
    parts = {number: {"size": size, "etag": '"e"'} for number, size in PARTS.items()}
    refused = parts_refused(S3, f"<Complete>{named}</Complete>".encode(), parts)
    assert (refused is None) == (code == "")
    assert refused is None or code.encode() in refused[2]


def test_a_list_that_is_no_xml_is_refused() -> None:
    refused = parts_refused(S3, b"", {})
    assert refused is not None
    assert refused[0] == 400
