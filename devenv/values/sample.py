"""A project's own values, made from the sample: the same keys and comments, with answers where it asks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from devenv.errors import UsageError
from devenv.values.keys import at
from devenv.values.yaml_text import Document, parse
from devenv.yaml_lines import KeyPath

_HEADING = """\
# The Helm values of the project {name}, laid over the shared ones: ./dev kind reads both.
#
# IT HOLDS SECRETS: keep it out of git, or encrypt it (https://getsops.io). They are random and those of the
# local servers. For production fill in what production has: addresses, the keys of the IAM user, and the
# GitHub application. Every key of the chart: https://z2jh.jupyter.org/en/stable/resources/reference.html
"""


@dataclass(frozen=True)
class Answers:
    """What is the project's own: names, addresses as pods know them, and secrets."""

    name: str
    public: str
    lake: str
    notebooks: str
    hub_database: str
    hub_user: str
    explore_database: str
    explore_user: str
    hub_password: str = field(repr=False)
    explore_password: str = field(repr=False)
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    client_secret: str = field(repr=False)
    hub_host: str = "hub-db"
    explore_host: str = "explore-db"

    @property
    def by_key(self) -> dict[KeyPath, str]:
        """The answers by the keys of the sample; items of a list by their numbers."""
        host = f"{self.name}.example.org"
        # https://docs.github.com/en/enterprise-cloud@latest/admin: a login has single hyphens
        login = re.sub("-+", "-", self.name)
        explore = f"{self.explore_user}:{self.explore_password}@{self.explore_host}:5432"
        hub = f"{self.hub_user}:{self.hub_password}@{self.hub_host}:5432"
        texts = {
            "hub.db.url": f"postgresql://{hub}/{self.hub_database}",
            "hub.config.Authenticator.admin_users.0": f"{login}-admin",
            "hub.config.Authenticator.allowed_users.0": f"{login}-user",
            "hub.config.GitHubOAuthenticator.client_id": f"habari-{self.name}",
            "hub.config.GitHubOAuthenticator.client_secret": self.client_secret,
            "hub.config.GitHubOAuthenticator.oauth_callback_url": f"https://{host}/hub/oauth_callback",
            "proxy.https.hosts.0": host,
            "singleuser.extraEnv.AWS_ACCESS_KEY_ID": self.access_key_id,
            "singleuser.extraEnv.AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "singleuser.extraEnv.S3_BUCKET_NAME_PUBLIC": self.public,
            "singleuser.extraEnv.S3_BUCKET_NAME_LAKE": self.lake,
            "singleuser.extraEnv.S3_BUCKET_NAME_NOTEBOOKS": self.notebooks,
            "singleuser.extraEnv.EXPLORE_DB_URL": f"postgresql://{explore}/{self.explore_database}",
            "singleuser.extraEnv.EXPLORE_DB_USER": self.explore_user,
            "singleuser.extraEnv.EXPLORE_DB_PASSWORD": self.explore_password,
            "singleuser.extraEnv.EXPLORE_DB_HOST": self.explore_host,
            "singleuser.extraEnv.EXPLORE_DB_NAME": self.explore_database,
        }
        return {tuple(key.split(".")): text for key, text in texts.items()}


def filled(sample: str, answers: Answers) -> str:
    """The sample's text with the answers in their places.

    Raises UsageError for a key that the sample does not have, or not in one line.
    """
    return _HEADING.format(name=answers.name) + _body(_answered(sample, answers.by_key))


def _answered(sample: str, by_key: Mapping[KeyPath, str]) -> str:
    document = parse(sample)[0]
    lines = sample.splitlines()
    for path, text in by_key.items():
        place = document.places.get(path)
        if place is None or place.line != place.text_line:
            raise _changed(path)
        start = re.match(r"\s*(?:-\s|[\w.-]+:\s)", lines[place.line - 1])
        if start is None:
            raise _changed(path)
        lines[place.line - 1] = f"{start.group().rstrip()} {json.dumps(text, ensure_ascii=False)}"
    text = "\n".join(lines) + "\n"
    _require(parse(text)[0], by_key)
    return text


def _require(found: Document, by_key: Mapping[KeyPath, str]) -> None:
    """Raise UsageError when a line said more than its value, such as the start of a block of text."""
    for path, text in by_key.items():
        *above, last = path
        place = at(found.tree, tuple(above))
        value = dict(enumerate(place)).get(int(last)) if isinstance(place, list) else at(found.tree, path)
        if value != text or found.problems:
            raise _changed(path)


def _body(text: str) -> str:
    """Without the sample's own heading, which is about copying it."""
    lines = text.splitlines(keepends=True)
    count = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[count:])


def _changed(path: KeyPath) -> UsageError:
    return UsageError(
        f"the sample of project values has no {'.'.join(path)} with its text in the same line",
        hint="Restore it: git checkout -- jupyter/sample_project_config.yaml",
    )
