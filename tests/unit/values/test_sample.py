"""A project's own values are the sample with answers: every key is kept, nothing is left to fill in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from devenv.errors import UsageError
from devenv.project import leaves
from devenv.values import secrecy
from devenv.values.check import require
from devenv.values.files import Loaded
from devenv.values.keys import at
from devenv.values.sample import Answers, filled
from devenv.values.yaml_text import parse

SAMPLE = (Path(__file__).resolve().parents[3] / "jupyter" / "sample_project_config.yaml").read_text()
ANSWERS = Answers(
    name="health-data",
    public="habari-public",
    lake="health-data-lake",
    notebooks="health-data-notebooks",
    hub_database="health_data_hub",
    hub_user="health_data_hub",
    explore_database="health_data_explore",
    explore_user="health_data_explore",
    hub_password="hidden-hub",
    explore_password="hidden-explore",
    access_key_id="hidden-id",
    secret_access_key="hidden-key",
    client_secret="hidden-client",
)


def tree(text: str) -> dict[str, Any]:
    (document,) = parse(text)
    assert document.problems == []
    return document.tree


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("hub.db.url", "postgresql://health_data_hub:hidden-hub@hub-db:5432/health_data_hub"),
        ("hub.config.Authenticator.allowed_users", ["health-data-user"]),
        ("hub.config.Authenticator.admin_users", ["health-data-admin"]),
        ("hub.config.GitHubOAuthenticator.client_secret", "hidden-client"),
        ("singleuser.extraEnv.AWS_ACCESS_KEY_ID", "hidden-id"),
        ("singleuser.extraEnv.AWS_SECRET_ACCESS_KEY", "hidden-key"),
        ("singleuser.extraEnv.S3_BUCKET_NAME_PUBLIC", "habari-public"),
        ("singleuser.extraEnv.S3_BUCKET_NAME_LAKE", "health-data-lake"),
        ("singleuser.extraEnv.S3_BUCKET_NAME_NOTEBOOKS", "health-data-notebooks"),
        (
            "singleuser.extraEnv.EXPLORE_DB_URL",
            "postgresql://health_data_explore:hidden-explore@explore-db:5432/health_data_explore",
        ),
        ("singleuser.extraEnv.EXPLORE_DB_PORT", "5432"),
        ("singleuser.image.tag", "0.10"),
    ],
)
def test_the_answers_are_in_their_places(path: str, value: Any) -> None:
    assert at(tree(filled(SAMPLE, ANSWERS)), tuple(path.split("."))) == value


def test_it_has_the_keys_of_the_sample_and_its_comments() -> None:
    text = filled(SAMPLE, ANSWERS)

    assert set(leaves(tree(text))) == set(leaves(tree(SAMPLE)))
    assert "# The project's IAM user" in text
    assert "Copy this file" not in text


def test_nothing_is_left_to_fill_in_and_every_secret_is_the_projects() -> None:
    found = tree(filled(SAMPLE, ANSWERS))

    left = [path for path, value in leaves(found).items() if re.search("<.*>", str(value))]
    asked = {path for path, value in leaves(tree(SAMPLE)).items() if secrecy.is_secret(path)}
    assert left == []
    assert asked <= {path for path, value in leaves(found).items() if "hidden" in str(value)}


def test_they_are_valid_values() -> None:
    require(Loaded(tree(filled(SAMPLE, ANSWERS))))


def test_no_secret_shows_itself() -> None:
    assert "hidden" not in repr(ANSWERS)


@pytest.mark.parametrize(
    "changed",
    [
        SAMPLE.replace("AWS_SECRET_ACCESS_KEY:", "AWS_SECRET:"),
        SAMPLE.replace('client_secret: "<client secret>"', 'client_secret:\n        "<client secret>"'),
        SAMPLE.replace('client_secret: "<client secret>"', "client_secret: |\n        x"),
    ],
    ids=["a key is gone", "a text in the next line", "a block of text"],
)
def test_a_sample_that_lacks_a_key_is_refused(changed: str) -> None:
    with pytest.raises(UsageError, match="the sample of project values has no"):
        filled(changed, ANSWERS)
