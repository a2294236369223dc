"""Who may use the page: a browser that was opened once by the link with the instance's key.

A notebook reaches this server as well as the browser does, so reaching it proves nothing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from .seals import derive, same, seal

PATH = "/login"
_DAYS = 30
_WRONG_KEYS = 10
_PER_SECONDS = 60.0


class Entrance:
    """The key, the cookie that stands for it, and the seal of a form. ``clock`` counts seconds."""

    def __init__(self, key: str, instance: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = key
        self._cookie_name = f"habari-github-{instance}"
        self._cookie = seal(derive(key, "cookie"), instance)
        self._form_key = derive(key, "form")
        self._clock = clock
        self._wrong: deque[float] = deque(maxlen=_WRONG_KEYS)
        self._lock = threading.Lock()

    def is_key(self, key: str) -> bool:
        return same(key, self._key)

    def must_slow_down(self) -> bool:
        """Note a wrong key; True when there were too many in the last minute.

        The right key always opens: otherwise a notebook could keep its owner out.
        """
        now = self._clock()
        with self._lock:
            slow = len(self._wrong) == _WRONG_KEYS and now - self._wrong[0] < _PER_SECONDS
            self._wrong.append(now)
        return slow

    def set_cookie(self) -> str:
        """The Set-Cookie header: host-only, unseen by scripts, not sent with another site's form."""
        pair = f"{self._cookie_name}={self._cookie}"
        return f"{pair}; Path={PATH}; Max-Age={_DAYS * 86400}; HttpOnly; SameSite=Lax"

    def admits(self, cookie_header: str) -> bool:
        """Whether a Cookie header has ours."""
        # Read by hand: a strict parser stops at other programs' odd cookies, and of two with our name
        # (another port of this host may set one) either may be the true one.
        pairs = [pair.strip().partition("=") for pair in cookie_header.split(";")]
        return any(name == self._cookie_name and same(value, self._cookie) for name, _, value in pairs)

    def seal_form(self, query: str) -> str:
        """The hidden field that proves that a form was made for this browser and this very request."""
        return seal(self._form_key, self._cookie, query)

    def is_sealed(self, query: str, given: str) -> bool:
        return same(given, self.seal_form(query))
