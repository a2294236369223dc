"""A client that dies after some call, as suddenly as a kill -9."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any


class KilledError(BaseException):
    """As sudden as a kill -9: nothing that catches an Exception catches it."""


def dying(client: Callable[..., Any], step: int) -> Callable[..., Any]:
    """Makes clients as ``client`` does; after the answer to call number ``step`` of all of them it ends."""
    left = itertools.count(step, -1)

    def made(*arguments: Any) -> Any:
        found = client(*arguments)

        def after(**_event: Any) -> None:
            if next(left) == 0:
                raise KilledError

        found.meta.events.register("response-received", after)
        return found

    return made
