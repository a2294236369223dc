"""The same with a real browser: what a person sees, and two hubs at once."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

import pytest
from contract.contents.browser import Browser

from devenv.endpoints import PUBLIC_PORT
from integration.hub.conftest import Hub

pytestmark = [pytest.mark.integration, pytest.mark.slow]
# where pictures of each step are kept, if anywhere
PICTURES = os.environ.get("DEVENV_TEST_PICTURES")


@pytest.fixture(scope="module")
def second(make_hub: Callable[[str], Hub]) -> Hub:
    """Another hub, at the usual port where nobody has it: http://localhost without a name of its own."""
    made = make_hub("second")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PUBLIC_PORT)) != 0:
            made.dev.ports["jupyter"] = PUBLIC_PORT
    made.dev("hub")
    return made


def keep(browser: Browser, name: str) -> None:
    if PICTURES:
        time.sleep(0.5)
        browser.picture(Path(PICTURES) / f"{name}.png")


def host() -> str:
    return "document.readyState === 'complete' && location.origin"


def sign_in(browser: Browser, hub: Hub, name: str, path: str = "") -> None:
    """By the link that the command prints, the hub's button and the page of people."""
    browser.open(hub.contract["HUB_SIGN_IN_URL"])
    browser.wait("document.querySelector('#login-main .btn-jupyter, .service-login a') !== null")
    if path:
        browser.open(urljoin(hub.url, path))
        browser.wait("document.querySelector('#login-main .btn-jupyter, .service-login a') !== null")
    assert "Sign in with GitHub" in browser.text("body")
    browser.click(".service-login a")
    browser.wait("document.querySelectorAll('button.person').length")
    assert "this is not github.com" in browser.text("body")
    keep(browser, "hub-sign-in")
    browser.run(f"document.querySelector('button.person[value={name}]').click()")


def test_a_person_signs_in_and_opens_a_lab_with_the_three_roots(browser: Browser, hub: Hub) -> None:
    sign_in(browser, hub, "ada")

    browser.wait("location.pathname.startsWith('/user/ada/lab')", 90)
    browser.wait("document.querySelectorAll('#jupyterlab-splash').length === 0", 60)
    names = "[...document.querySelectorAll('.jp-DirListing-itemName')].map(e => e.innerText.trim())"
    for name in ("public", "lake", "notebooks", "samples"):
        browser.wait(f"{names}.includes({name!r})", 60)
    browser.wait("document.querySelectorAll('.jp-LauncherCard').length", 60)
    keep(browser, "hub-lab")


def test_a_person_runs_a_notebook_of_the_notebooks_bucket(browser: Browser, hub: Hub) -> None:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    content = {
        "cells": [{**cell, "source": "print(6 * 7)"}],
        "metadata": kernel,
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    made = hub.user("ada").at_server(
        "PUT",
        "api/contents/notebooks/first.ipynb",
        {"type": "notebook", "format": "json", "content": content},
    )
    assert made.status in (200, 201), made
    sign_in(browser, hub, "ada", "user/ada/lab/tree/notebooks/first.ipynb")

    browser.wait("document.querySelectorAll('.jp-Cell').length", 90)
    browser.wait("document.querySelectorAll('#jupyterlab-splash').length === 0", 60)
    browser.wait("/Python 3.*Idle/.test(document.querySelector('#jp-main-statusbar').innerText)", 60)
    browser.click(".jp-Cell .cm-content")
    browser.press("Enter", shift=True)
    browser.wait(
        "[...document.querySelectorAll('.jp-OutputArea-output')].some(e => e.innerText.trim() === '42')", 60
    )
    keep(browser, "hub-notebook")


def test_who_is_not_allowed_sees_the_hubs_refusal(browser: Browser, hub: Hub) -> None:
    sign_in(browser, hub, "mallory")

    browser.wait("/403/.test(document.body?.innerText ?? '')")
    assert "not currently authorized to use this hub" in browser.text("body")


def test_two_hubs_in_one_browser_do_not_sign_each_other_out(browser: Browser, hub: Hub, second: Hub) -> None:
    def who(place: Hub) -> str:
        browser.open(urljoin(place.url, "hub/home"))
        browser.wait(f"({host()}) + '/' === {place.url!r}")
        return browser.text(".navbar")

    sign_in(browser, hub, "grace", "hub/home")
    browser.wait("location.pathname === '/hub/home'", 60)
    sign_in(browser, second, "joan", "hub/home")
    browser.wait(f"({host()}) + '/' === {second.url!r} && location.pathname === '/hub/home'", 60)

    for _ in range(2):
        assert "grace" in who(hub)
        assert "joan" in who(second)
    browser.open(urljoin(second.url, "hub/logout"))
    browser.wait("/login/.test(location.pathname)")
    assert "grace" in who(hub), "signed out of one alone"
