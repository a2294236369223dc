"""The pages: HTML without scripts, pictures or anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from . import authorize
from .messages import Answer, html_answer
from .names import MAX_LOGIN
from .people import Directory
from .scopes import has
from .settings import Person

_STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

ENTER_PATH = "/enter"
COMMAND = "./dev hub"


class Pages:
    """The pages of one instance. ``form_targets`` are the addresses that a form of ours may end at."""

    def __init__(self, instance: str, form_targets: Iterable[str]) -> None:
        self._instance = instance
        # Chromium holds form-action against every redirect that follows a form too:
        # https://www.w3.org/TR/CSP3/#directive-form-action
        targets = sorted({_origin(target) for target in form_targets})
        self._policy = (
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self' {' '.join(targets)}; "
            "frame-ancestors 'none'; base-uri 'none'"
        )

    def choice(
        self, wanted: authorize.Authorization, query: str, seal: str, directory: Directory, invalid: str = ""
    ) -> Answer:
        """Whom to be: the people as buttons, a field for any other name, and what can go wrong.

        ``invalid`` is a name that was typed and cannot be one.
        """
        form = (
            f'<form method="post" action="{authorize.PATH}?{escape(query)}">'
            f'<input type="hidden" name="seal" value="{escape(seal)}">'
        )
        parts = [
            f"<p>The hub at <strong>{escape(_origin(wanted.redirect_uri))}</strong> asks who you are. "
            "Whether that person may use it, and as an administrator, the hub decides.</p>",
            _people_section(form, directory),
            _other_section(form, invalid),
            _trouble_section(form),
            _scopes_note(wanted, directory),
        ]
        return self._page(400 if invalid else 200, "Whom do you want to be?", "".join(parts))

    def key_wanted(self, query: str) -> Answer:
        """The page is closed to this browser: how it is opened, and a form to do so here."""
        text = (
            f"<p>This browser has not been here before. <code>{COMMAND}</code> prints a link that opens this "
            "page; following it once is enough. The key at the link’s end can be entered here instead.</p>"
        )
        return self._page(403, "The key of this instance is needed", text + _key_section(query))

    def wrong_key(self, query: str, *, slow: bool) -> Answer:
        """The key was not the instance's. ``slow``: there were too many of those."""
        told = "Too many wrong keys; wait a minute. " if slow else ""
        told += f"<code>{COMMAND}</code> prints the link with the right key."
        text = f'<p class="alert" role="alert">{told}</p>'
        answer = self._page(
            429 if slow else 403, "This key is not the instance’s", text + _key_section(query)
        )
        return answer.adding(Retry_After="60") if slow else answer

    def problem(self, status: int, title: str, what: str) -> Answer:
        """Something is wrong with the request; ``what`` says so in a sentence."""
        return self._page(status, title, f"<p>{escape(what)}</p>")

    def _page(self, status: int, title: str, content: str) -> Answer:
        instance = escape(self._instance)
        document = (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f"<title>{escape(title)} · {instance}</title>"
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="robots" content="noindex">'
            f"<style>{_STYLE}</style></head><body><main>"
            f'<p class="notice">Local sign-in of <strong>{instance}</strong>: this is not github.com. '
            "No password is asked for here.</p>"
            f"<header><h1>{escape(title)}</h1></header>{content}</main></body></html>\n"
        )
        return html_answer(status, document, self._policy)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _people_section(form: str, directory: Directory) -> str:
    if not directory.people:
        return '<section><p class="quiet">The values and the project file name nobody yet.</p></section>'
    people = "".join(f"<li>{_person(person, directory)}</li>" for person in directory.people)
    return f'<section><h2>People of this project</h2>{form}<ul class="people">{people}</ul></form></section>'


def _person(person: Person, directory: Directory) -> str:
    login = escape(person.login)
    name = f'<span class="name">{escape(person.name)}</span>' if person.name else ""
    teams = directory.teams_of(person.login)
    groups = directory.organizations_of(person.login) + [f"{team.organization}:{team.slug}" for team in teams]
    badges = [_badge("admin", "admin")] if person.admin else []
    badges += [_badge("allowed", "allowed")] if person.allowed else []
    badges += [_badge(group) for group in groups]
    return (
        f'<button class="person" name="login" value="{login}">'
        f'<span class="initial" aria-hidden="true">{login[0]}</span>'
        f'<span class="who"><span class="names"><span class="login">{login}</span>{name}</span>'
        f'<span class="badges">{"".join(badges) or _badge("not listed")}</span></span></button>'
    )


def _badge(text: str, kind: str = "") -> str:
    return f'<span class="badge {kind}">{escape(text)}</span> '


def _other_section(form: str, invalid: str) -> str:
    note = "Somebody whom the hub should refuse, for instance."
    rule = f"This is no GitHub name: letters, digits and single hyphens between them, {MAX_LOGIN} at most."
    told = f'class="alert" role="alert">{rule}' if invalid else f'class="quiet">{note}'
    given = f' value="{escape(invalid)}" aria-invalid="true" autofocus' if invalid else ""
    return (
        f'<section>{form}<label for="other">Any other name</label><div class="row">'
        f'<input id="other" name="login" required maxlength="{MAX_LOGIN}" autocomplete="off" '
        f'autocapitalize="none" spellcheck="false" aria-describedby="other-note"{given}>'
        '<button class="button main">Sign in</button></div>'
        f'<p id="other-note" {told}</p></form></section>'
    )


def _trouble_section(form: str) -> str:
    return (
        f'<section><h2>When it goes wrong</h2>{form}<div class="row">'
        '<button class="button" name="action" value="cancel">Cancel</button>'
        '<button class="button" name="action" value="expired">Give the hub an expired code</button>'
        "</div></form></section>"
    )


def _scopes_note(wanted: authorize.Authorization, directory: Directory) -> str:
    asked = (
        f"Scopes asked for: <code>{escape(' '.join(wanted.scopes))}</code>."
        if wanted.scopes
        else "No scopes."
    )
    if directory.has_organizations() and not has(wanted.scopes, "read:org"):
        asked += " Without <code>read:org</code> GitHub tells the hub nothing of organizations and teams."
    return f'<p class="quiet">{asked}</p>'


def _key_section(query: str) -> str:
    return (
        f'<section><form method="post" action="{ENTER_PATH}">'
        f'<input type="hidden" name="request" value="{escape(query)}">'
        '<label for="key">Key</label><div class="row">'
        '<input id="key" name="key" type="password" required autocomplete="off" spellcheck="false">'
        '<button class="button main">Open</button></div></form></section>'
    )
