"""What a request is judged by, without the engine that judges."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from devenv.s3.guard import actions, subresources

PUBLIC = "arn:aws:s3:::public"


def address(path: str, _headers: object) -> tuple[str, str]:
    bucket, _slash, key = path.lstrip("/").partition("/")
    return bucket, key


def action_of(method: str, path: str, query: dict[str, Any]) -> str | None:
    """The engine's, in small: the last segment decides, and empty ones do not count."""
    level = "Object" if len([part for part in path.split("/") if part]) > 1 else "Bucket"
    return f"{method.title()}{level}" + "Version" * ("versionId" in query)


@pytest.fixture
def engine() -> SimpleNamespace:
    """The engine's policy check in small, with the guard's functions in it."""
    iam_actions = SimpleNamespace(
        _s3_action=action_of,
        extract_iam_action=lambda service, *request: f"{service}:Listed" if request[-1] else None,
        extract_resource_arn=lambda service, *request: service,
        _S3_GOVERNANCE_BYPASS_ACTIONS={"DeleteObject"},
    )
    app = SimpleNamespace(
        detect_service=lambda method, path, headers, query: headers["service"],
        _routing_params=lambda method, path, headers, body, query: {"from": "body"},
    )
    actions.install(app, iam_actions, SimpleNamespace(_parse_bucket_key=address))
    return SimpleNamespace(actions=iam_actions, app=app)


@pytest.mark.parametrize(
    ("path", "arn"),
    [
        ("/", "*"),
        ("//", "*"),
        ("/public", PUBLIC),
        ("/public/", PUBLIC),
        ("/public/.s3keep", f"{PUBLIC}/.s3keep"),
        ("/public/.s3keep/", f"{PUBLIC}/.s3keep/"),
        ("/public//.s3keep", f"{PUBLIC}//.s3keep"),
        ("/public//", f"{PUBLIC}//"),
        ("/public/a//b", f"{PUBLIC}/a//b"),
        ("/public/x/../.s3keep", f"{PUBLIC}/x/../.s3keep"),
        ("//public/.s3keep", f"{PUBLIC}/.s3keep"),
    ],
)
def test_the_object_judged_is_the_object_addressed(engine: SimpleNamespace, path: str, arn: str) -> None:
    assert engine.actions.extract_resource_arn("s3", "PUT", path, {}, b"", {}, "", "") == arn


@pytest.mark.parametrize(
    ("method", "path", "query", "action"),
    [
        ("PUT", "/public//", {}, "s3:PutObject"),
        ("PUT", "/public/", {}, "s3:PutBucket"),
        ("DELETE", "/public/k", {"Action": ["GetObject"]}, "s3:DeleteObject"),
        ("POST", "/public", {"delete": [""]}, None),
        ("POST", "/public/k", {"delete": [""]}, "s3:PostObject"),
    ],
)
def test_the_action_judged_is_the_action_done(
    engine: SimpleNamespace, method: str, path: str, query: dict[str, list[str]], action: str | None
) -> None:
    headers = {"x-amz-target": "S3.GetObject"}
    assert (
        engine.actions.extract_iam_action("s3", method, path, headers, b"Action=GetObject", query) == action
    )


def test_an_iam_call_without_a_known_action_is_judged_as_unknown(engine: SimpleNamespace) -> None:
    assert engine.actions.extract_iam_action("iam", "POST", "/", {}, b"", {}) == "iam:Unknown"


def test_the_body_of_an_s3_request_holds_no_parameters(engine: SimpleNamespace) -> None:
    asked = {"acl": [""]}
    assert engine.app._routing_params("PUT", "/b/k", {"service": "s3"}, b"tagging=1", asked) == asked
    assert engine.app._routing_params("POST", "/", {"service": "iam"}, b"", {}) == {"from": "body"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("lake/k", ("lake", "k", "")),
        ("/lake/k", ("lake", "k", "")),
        ("lake//k", ("lake", "/k", "")),
        ("lake/k/", ("lake", "k/", "")),
        ("lake%2Fa%2Fb", ("lake", "a/b", "")),
        ("%2Flake/k", ("", "lake/k", "")),
        ("lake/k%3FversionId=1", ("lake", "k?versionId=1", "")),
        ("lake/k?versionId=1", ("lake", "k", "1")),
        ("lake/k?version%49d=1", ("lake", "k", "1")),
        ("lake/k?versionId=1&versionId=", ("lake", "k", "1")),
        ("lake", ("lake", "", "")),
    ],
)
def test_a_copy_source_is_read_as_the_copy_reads_it(source: str, expected: tuple[str, str, str]) -> None:
    assert actions.split_source(source) == expected


@pytest.mark.parametrize(
    ("method", "headers", "query", "needed"),
    [
        ("PUT", {}, {}, []),
        ("PUT", {"x-amz-copy-source": "lake/a"}, {}, [("s3:GetObject", "arn:aws:s3:::lake/a")]),
        (
            "PUT",
            {"x-amz-copy-source": "lake/a?versionId=1"},
            {"acl": [""]},
            [("s3:GetObjectVersion", "arn:aws:s3:::lake/a")],
        ),
        ("PUT", {"x-amz-tagging": "a=b"}, {}, [("s3:PutObjectTagging", f"{PUBLIC}/k/")]),
        (
            "DELETE",
            {"x-amz-bypass-governance-retention": "True"},
            {},
            [("s3:BypassGovernanceRetention", f"{PUBLIC}/k/")],
        ),
    ],
    ids=["none", "copy", "copy-of-a-version", "tags", "bypass"],
)
def test_further_actions_are_needed(
    engine: SimpleNamespace, method: str, headers: dict[str, str], query: Any, needed: list[tuple[str, str]]
) -> None:
    assert engine.actions.s3_additional_checks(method, "/public/k/", headers, b"", query) == needed
    assert engine.actions.s3_additional_checks(method, "/public/", headers, b"", query) == []


def test_a_form_is_signed_in_its_fields_alone() -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert actions.form_refused("POST", "", headers, "") is None
    assert actions.form_refused("POST", "k", headers, "KEY") is None
    assert actions.form_refused("POST", "", {}, "KEY") is None
    refused = actions.form_refused("POST", "", headers, "KEY")
    assert refused is not None
    assert refused[0] == 400


@pytest.mark.parametrize(
    ("method", "key", "named", "status"),
    [
        ("GET", "k", "", 0),
        ("GET", "k", "versionId response-content-type", 0),
        ("GET", "k", "tagging versionId", 0),
        ("PUT", "k", "uploadId partNumber", 0),
        ("GET", "", "uploads prefix", 0),
        ("HEAD", "k", "acl tagging", 0),
        ("POST", "k", "select uploads", 400),
        ("PUT", "k", "acl uploadId partNumber", 400),
        ("GET", "", "policy versions", 400),
        ("POST", "k", "select select-type", 501),
        ("DELETE", "", "metrics id", 501),
        ("DELETE", "", "versioning", 501),
        ("PUT", "k", "versioning", 501),
        ("GET", "", "request-payment", 501),
    ],
)
def test_one_subresource_that_is_served_or_none(method: str, key: str, named: str, status: int) -> None:
    refused = subresources.refused(method, key, {name: [""] for name in named.split()})
    assert (refused[0] if refused else 0) == status
