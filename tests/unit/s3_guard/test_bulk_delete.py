"""DeleteObjects key by key, without the engine that deletes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from devenv.s3.guard import bulk_delete

NS = "http://s3.amazonaws.com/doc/2006-03-01/"


def find(parent: Any, name: str) -> Any:
    found = parent.find(f"{{{NS}}}{name}")
    return parent.find(name) if found is None else found


S3 = SimpleNamespace(S3_NS=NS, fromstring=ElementTree.fromstring, _find_xml_tag=find)


def wish(*keys: str, space: str = f' xmlns="{NS}"') -> bytes:
    entries = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
    return f"<Delete{space}>{entries}<Quiet>true</Quiet></Delete>".encode()


def may(key: str, version: str) -> bool:
    return not key.startswith("denied") and not version


def keys(body: bytes) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(body).iter() if "Key" in element.tag]


def test_what_may_be_deleted_is_passed_on_as_it_came() -> None:
    assert bulk_delete.split(S3, wish("a", "b"), may) == (None, wish("a", "b"), "")


@pytest.mark.parametrize("space", ["", f' xmlns="{NS}"'], ids=["plain", "namespace"])
def test_what_may_not_be_deleted_is_taken_out_and_told(space: str) -> None:
    refused, body, told = bulk_delete.split(S3, wish("a", "denied", "b", space=space), may)
    assert (refused, keys(body)) == (None, ["a", "b"])
    assert b"Quiet" in body
    assert told == "<Error><Key>denied</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


def test_a_version_is_another_question_than_its_key() -> None:
    entry = b"<Delete><Object><Key>a</Key><VersionId>1</VersionId></Object></Delete>"
    _refused, body, told = bulk_delete.split(S3, entry, may)
    assert keys(body) == []
    assert "<VersionId>1</VersionId>" in told


def test_no_object_hides_in_another_namespace() -> None:
    entries = "<x:Object><x:Key>denied-1</x:Key></x:Object><Object><Key>denied-2</Key></Object>"
    _refused, body, _told = bulk_delete.split(S3, f'<Delete xmlns:x="{NS}">{entries}</Delete>'.encode(), may)
    assert keys(body) == []


def test_keys_stay_what_they_are_when_the_list_is_written_anew() -> None:
    _refused, body, told = bulk_delete.split(S3, wish("a&#13;&lt;é", "denied&#13;&amp;"), may)
    assert keys(body) == ["a\r<é"]
    assert "<Key>denied&#13;&amp;</Key>" in told


@pytest.mark.parametrize(
    "body",
    [b"", b"<Delete>", b"<Delete/>", wish(*map(str, range(1001)))],
    ids=["empty", "no-xml", "none", "too-many"],
)
def test_a_malformed_list_is_refused(body: bytes) -> None:
    refused, _body, _told = bulk_delete.split(S3, body, may)
    assert refused is not None
    assert b"<Code>MalformedXML</Code>" in refused[2]


@pytest.mark.parametrize(
    "body",
    [b'<DeleteResult xmlns="x" />', b'<DeleteResult xmlns="x"/>', b'<DeleteResult xmlns="x"></DeleteResult>'],
)
def test_the_refused_keys_are_told_after_the_deleted_ones(body: bytes) -> None:
    told = bulk_delete.tell((200, {}, body), "<Error/>")[2]
    assert told == b'<DeleteResult xmlns="x"><Error/></DeleteResult>'


def test_a_failed_request_stays_as_it_is() -> None:
    answer: tuple[int, dict[str, Any], bytes] = (404, {}, b"<Error/>")
    assert bulk_delete.tell(answer, "<Error/>") == answer
