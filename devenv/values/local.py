"""The addresses and secrets that stand in for production's, and the traits that carry them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devenv.values.keys import at

CLIENT_ID = "habari-local"

# traitlets read the sections of a class's bases first: https://traitlets.readthedocs.io/en/stable/config.html
_GITHUB_SECTIONS = ("Authenticator", "OAuthenticator", "GitHubOAuthenticator")
_ALIASES = {"github": "GitHubOAuthenticator", "local-github": "LocalGitHubOAuthenticator"}

# Why a trait of the sign-in differs; all others do because the hub asks the local one.
SIGN_IN_WHY = {
    "client_id": "the values have none",
    "client_secret": "the local sign-in has a secret of its own",
    "oauth_callback_url": "the browser opens the local hub",
    "authorize_url": "the browser opens the local sign-in instead of GitHub",
}


@dataclass(frozen=True)
class Local:
    """What the local hub has instead of production's: all texts, as each reader has to spell them.

    ``github_url`` is the sign-in as the hub sees it, ``authorize_url`` its page as the browser does.
    ``contract`` are the notebooks' variables. The rest is for a hub in a cluster: people's pods may reach
    ``cluster_cidr`` on ``ports`` and the hub's on ``hub_ports``, a browser comes by ``node_port`` of the
    node, and ``images`` (name and tag of ``singleuser``, ``hub`` or ``proxy``) stand in for production's.
    """

    hub_db_url: str = field(repr=False)
    callback_url: str
    public_url: str
    github_url: str
    authorize_url: str
    client_secret: str = field(repr=False)
    contract: Mapping[str, str] = field(repr=False)
    cluster_cidr: str = ""
    ports: tuple[int, ...] = ()
    hub_ports: tuple[int, ...] = ()
    node_port: int = 30080
    images: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    # whether the values' postStart hook is run
    runs_post_start: bool = False


def authenticator(tree: Mapping[str, Any]) -> str:
    """hub.config.JupyterHub.authenticator_class as it is given; the chart's default is ``dummy``."""
    return str(at(tree, ("hub", "config", "JupyterHub", "authenticator_class")) or "dummy")


def sign_in_section(tree: Mapping[str, Any]) -> str | None:
    """The name of the authenticator's class when people sign in by GitHub, otherwise None."""
    name = authenticator(tree)
    section = _ALIASES.get(name, name.replace(":", ".").rpartition(".")[2])
    return section if "github" in section.lower() else None


def sign_in(tree: Mapping[str, Any], local: Local) -> dict[str, dict[str, str]]:
    """The traits that send production's GitHub sign-in to the local one: addresses and secrets, nothing else.

    Empty for any other authenticator. Production's client id stays. The three addresses that follow from
    ``github_url`` are given when production spells them out, which would win otherwise.
    https://oauthenticator.readthedocs.io/en/stable/reference/api/gen/oauthenticator.github.html
    """
    section = sign_in_section(tree)
    if section is None:
        return {}
    given = _given(tree, section)
    derived = {
        "github_api": f"{local.github_url}/api/v3",
        "token_url": f"{local.github_url}/login/oauth/access_token",
        "userdata_url": f"{local.github_url}/api/v3/user",
    }
    traits = {
        "client_secret": local.client_secret,
        "oauth_callback_url": local.callback_url,
        "github_url": local.github_url,
        "authorize_url": local.authorize_url,
        **{name: address for name, address in derived.items() if name in given},
    }
    if not client_id_given(tree):
        traits["client_id"] = CLIENT_ID
    return {section: traits}


def client_id(tree: Mapping[str, Any]) -> str:
    """Production's client id, or the local one when the values have none."""
    return client_id_given(tree) or CLIENT_ID


def client_id_given(tree: Mapping[str, Any]) -> str:
    section = sign_in_section(tree)
    return str(_given(tree, section).get("client_id") or "") if section else ""


def _given(tree: Mapping[str, Any], section: str) -> dict[str, Any]:
    """What the values set on the authenticator, each section over those of its bases."""
    traits: dict[str, Any] = {}
    for name in dict.fromkeys((*_GITHUB_SECTIONS, section)):
        found = at(tree, ("hub", "config", name))
        traits |= found if isinstance(found, dict) else {}
    return traits
