"""Keys of the chart's version 0.9.0 as version 4.x has them, one notice each.

What replaced what: https://z2jh.jupyter.org/en/stable/changelog.html (1.0 renamed ``auth``, 2.0 the
rest), and https://oauthenticator.readthedocs.io/en/stable/reference/changelog.html. A file in today's
form is returned as it is, so translating twice is the same as once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from devenv.values.keys import at
from devenv.yaml_lines import KeyPath

_CONFIG: KeyPath = ("hub", "config")

# auth.type -> hub.config.JupyterHub.authenticator_class, where the word did not stay the same
_CLASSES = {
    "hmac": "hmacauthenticator.HMACAuthenticator",
    "tmp": "tmpauthenticator.TmpAuthenticator",
    "lti": "ltiauthenticator.LTIAuthenticator",
    "ldap": "ldapauthenticator.LDAPAuthenticator",
}
# auth.<provider> -> the class whose traits its keys are, in snake case
_PROVIDERS = {
    "google": "GoogleOAuthenticator",
    "github": "GitHubOAuthenticator",
    "cilogon": "CILogonOAuthenticator",
    "gitlab": "GitLabOAuthenticator",
    "azuread": "AzureAdOAuthenticator",
    "mediawiki": "MWOAuthenticator",
    "globus": "GlobusOAuthenticator",
    "hmac": "HMACAuthenticator",
    "dummy": "DummyAuthenticator",
    "lti": "LTIAuthenticator",
}
# auth.<...> -> hub.config.<class>.<trait>, where snake case alone is not the rule
_AUTH: Mapping[str, str] = {
    "admin.users": "Authenticator.admin_users",
    "whitelist.users": "Authenticator.allowed_users",
    "state.enabled": "Authenticator.enable_auth_state",
    "scopes": "OAuthenticator.scope",
    "gitlab.gitlabGroupWhitelist": "GitLabOAuthenticator.allowed_gitlab_groups",
    "gitlab.gitlabProjectIdWhitelist": "GitLabOAuthenticator.allowed_project_ids",
    "ldap.server.address": "LDAPAuthenticator.server_address",
    "ldap.server.port": "LDAPAuthenticator.server_port",
    "ldap.server.ssl": "LDAPAuthenticator.use_ssl",
    "ldap.allowedGroups": "LDAPAuthenticator.allowed_groups",
    "ldap.dn.templates": "LDAPAuthenticator.bind_dn_template",
    "ldap.dn.lookup": "LDAPAuthenticator.lookup_dn",
    "ldap.dn.search.filter": "LDAPAuthenticator.lookup_dn_search_filter",
    "ldap.dn.search.user": "LDAPAuthenticator.lookup_dn_search_user",
    "ldap.dn.search.password": "LDAPAuthenticator.lookup_dn_search_password",
    "ldap.dn.user.dnAttribute": "LDAPAuthenticator.lookup_dn_user_dn_attribute",
    "ldap.dn.user.escape": "LDAPAuthenticator.escape_userdn",
    "ldap.dn.user.validRegex": "LDAPAuthenticator.valid_username_regex",
    "ldap.dn.user.searchBase": "LDAPAuthenticator.user_search_base",
    "ldap.dn.user.attribute": "LDAPAuthenticator.user_attribute",
}
_TRAITS = {"callbackUrl": "oauth_callback_url", "orgWhitelist": "allowed_organizations"}

# Keys that moved with all that is below them.
_MOVES: Mapping[str, str] = {
    "hub.extraConfigMap": "custom",
    "hub.uid": "hub.containerSecurityContext.runAsUser",
    "hub.fsGid": "hub.podSecurityContext.fsGroup",
    "proxy.networkPolicy": "proxy.chp.networkPolicy",
    "proxy.pdb": "proxy.chp.pdb",
    "proxy.nodeSelector": "proxy.chp.nodeSelector",
    "proxy.containerSecurityContext": "proxy.chp.containerSecurityContext",
    "rbac.enabled": "rbac.create",
    "hub.imagePullSecret.enabled": "imagePullSecret.create",
    "hub.imagePullSecret.registry": "imagePullSecret.registry",
    "hub.imagePullSecret.username": "imagePullSecret.username",
    "hub.imagePullSecret.email": "imagePullSecret.email",
    "hub.imagePullSecret.password": "imagePullSecret.password",
    "singleuser.imagePullSecret.enabled": "imagePullSecret.create",
    "singleuser.imagePullSecret.registry": "imagePullSecret.registry",
    "singleuser.imagePullSecret.username": "imagePullSecret.username",
    "singleuser.imagePullSecret.email": "imagePullSecret.email",
    "singleuser.imagePullSecret.password": "imagePullSecret.password",
}
# hub.config.<any class>.<old trait> -> <new trait>
_RENAMED_TRAITS = {
    "whitelist": "allowed_users",
    "group_whitelist": "allowed_groups",
    "github_organization_whitelist": "allowed_organizations",
    "gitlab_group_whitelist": "allowed_gitlab_groups",
    "gitlab_project_id_whitelist": "allowed_project_ids",
}
_OLD_URL = re.compile(r"postgres(?:\+(?P<driver>\w+))?://")


@dataclass
class Translation:
    """The tree in today's form, what was said on the way, and where each moved key stood before."""

    tree: dict[str, Any] = field(repr=False)
    notices: list[tuple[KeyPath, str]] = field(default_factory=list)
    moved: dict[KeyPath, KeyPath] = field(default_factory=dict)


def translate(tree: Mapping[str, Any]) -> Translation:
    """One file's values in the form of chart 4.x. The tree given is not changed.

    Where the old and the new form of a key are both there the new one wins.
    """
    done = Translation(deepcopy(dict(tree)))
    was_old = _has_auth(done.tree)
    _translate_auth(done)
    for old, new in _MOVES.items():
        _move(done, tuple(old.split(".")), tuple(new.split(".")))
    _translate_metadata(done)
    _translate_traits(done)
    _translate_code(done)
    _translate_tags(done, done.tree, ())
    _translate_url(done)
    if was_old:
        _enable_https(done)
    return done


def _has_auth(tree: Mapping[str, Any]) -> bool:
    return isinstance(tree.get("auth"), dict) and bool(tree["auth"])


def _translate_auth(done: Translation) -> None:
    auth = done.tree.get("auth")
    if "auth" not in done.tree or not (auth is None or isinstance(auth, dict)):
        return
    if not auth:
        del done.tree["auth"]
        done.notices.append((("auth",), "removed; chart 4.x has no such key"))
        return
    _translate_class(done, auth)
    _translate_admin_access(done)
    key = at(auth, ("state", "cryptoKey"))
    if isinstance(key, str):
        auth["state"]["cryptoKey"] = [key]
    _move(done, ("auth", "state", "cryptoKey"), (*_CONFIG, "CryptKeeper", "keys"))
    for old, new in _AUTH.items():
        _move(done, ("auth", *old.split(".")), (*_CONFIG, *new.split(".")))
    for provider, section in _PROVIDERS.items():
        for name in list(auth.get(provider) or ()) if isinstance(auth.get(provider), dict) else ():
            _move(done, ("auth", provider, name), (*_CONFIG, section, _TRAITS.get(name, _snake_case(name))))
    organizations = ("auth", "github", "orgWhitelist")
    if organizations in done.moved.values():
        remark = "its members are let in without a name in allowed_users; it took both"
        done.notices.append((organizations, remark))
    _drop_empty(done.tree, ("auth",))


def _translate_class(done: Translation, auth: dict[str, Any]) -> None:
    kind = auth.get("type")
    custom = auth.get("custom") if isinstance(auth.get("custom"), dict) else {}
    name = custom.get("className") if isinstance(custom, dict) else None
    if isinstance(name, str):
        section = name.rpartition(".")[2]
        _move(done, ("auth", "custom", "config"), (*_CONFIG, section))
        _move(done, ("auth", "custom", "className"), (*_CONFIG, "JupyterHub", "authenticator_class"))
        if kind == "custom":
            del auth["type"]
    elif isinstance(kind, str) and kind != "custom":
        auth["type"] = _CLASSES.get(kind, kind)
        _move(done, ("auth", "type"), (*_CONFIG, "JupyterHub", "authenticator_class"))


def _translate_admin_access(done: Translation) -> None:
    path = ("auth", "admin", "access")
    if at(done.tree, path, ...) is not ...:
        _take(done.tree, path)
        done.notices.append(
            (path, "removed; it has no effect any more: roles decide whose servers an admin may open")
        )


def _translate_metadata(done: Translation) -> None:
    old = ("singleuser", "cloudMetadata", "enabled")
    given = at(done.tree, old)
    if isinstance(given, bool):
        done.tree["singleuser"]["cloudMetadata"]["enabled"] = not given
        _move(done, old, ("singleuser", "cloudMetadata", "blockWithIptables"), "with the opposite value")


def _translate_traits(done: Translation) -> None:
    sections = at(done.tree, _CONFIG)
    for section, traits in list(sections.items()) if isinstance(sections, dict) else ():
        for name in [name for name in traits if name in _RENAMED_TRAITS] if isinstance(traits, dict) else ():
            _move(done, (*_CONFIG, section, name), (*_CONFIG, section, _RENAMED_TRAITS[name]))


def _translate_code(done: Translation) -> None:
    path = ("hub", "extraConfig")
    code = at(done.tree, path)
    if isinstance(code, str):
        done.tree["hub"]["extraConfig"] = {"extraConfig": code}
        done.moved[(*path, "extraConfig")] = path
        done.notices.append(
            (path, "code stands below names of its own now; this is hub.extraConfig.extraConfig")
        )


def _translate_tags(done: Translation, tree: Any, path: KeyPath) -> None:
    for key, value in tree.items():
        here = (*path, key)
        if isinstance(value, dict):
            _translate_tags(done, value, here)
        elif (
            here[-2:] == ("image", "tag") and isinstance(value, (int, float)) and not isinstance(value, bool)
        ):
            tree[key] = _number_text(value)
            done.notices.append((here, f'a tag is text; it is read as "{tree[key]}": write it in quotes'))


def _translate_url(done: Translation) -> None:
    path = ("hub", "db", "url")
    url = at(done.tree, path)
    found = _OLD_URL.match(url) if isinstance(url, str) else None
    if found is None:
        return
    driver = found["driver"]
    scheme = "postgresql" if driver in (None, "psycopg2") else f"postgresql+{driver}"
    done.tree["hub"]["db"]["url"] = f"{scheme}://{url[found.end() :]}"
    # https://docs.sqlalchemy.org/en/14/changelog/changelog_14.html#change-3687655465c25a39b968b4f5f6e9170b
    done.notices.append((path, f"SQLAlchemy knows no {found[0]} any more; it is read as {scheme}://"))


def _enable_https(done: Translation) -> None:
    https = at(done.tree, ("proxy", "https"))
    if isinstance(https, dict) and https and "enabled" not in https:
        https["enabled"] = True
        done.notices.append(
            (("proxy", "https"), "HTTPS is off by default now; it is read with enabled: true")
        )


def _move(done: Translation, old: KeyPath, new: KeyPath, remark: str = "") -> None:
    value = at(done.tree, old, ...)
    if value is ...:
        return
    _take(done.tree, old)
    name = ".".join(new)
    present = at(done.tree, new, ...)
    if isinstance(present, dict) and isinstance(value, dict):
        for key in value:
            if key not in present:
                present[key] = value[key]
                done.moved[(*new, key)] = (*old, key)
        done.notices.append((old, f"now {name}, which is there too and wins"))
    elif present is not ... or not _put(done.tree, new, value):
        done.notices.append((old, f"left out: {name}, which took its place, is there too and wins"))
    else:
        done.moved[new] = old
        done.notices.append((old, f"now {name}{', ' if remark else ''}{remark}"))


def _take(tree: dict[str, Any], path: KeyPath) -> None:
    """Remove a key, and the mappings around it that are empty then."""
    *above, last = path
    at(tree, tuple(above)).pop(last)
    _drop_empty(tree, tuple(above))


def _drop_empty(tree: dict[str, Any], path: KeyPath) -> None:
    while path and at(tree, path, ...) == {}:
        *above, last = path
        path = tuple(above)
        at(tree, path).pop(last)


def _put(tree: dict[str, Any], path: KeyPath, value: Any) -> bool:
    """Set a value; false when something on the way is no mapping."""
    *above, last = path
    here = tree
    for part in above:
        below = here.get(part)
        if below is None:
            below = here[part] = {}
        if not isinstance(below, dict):
            return False
        here = below
    here[last] = value
    return True


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def _number_text(value: float) -> str:
    """As the chart's templates print a number, but without exponents."""
    return str(int(value)) if float(value).is_integer() else repr(value)
