"""The module ``z2jh`` of the chart's hub image: what code in hub.extraConfig imports to read the values.

https://z2jh.jupyter.org/en/stable/administrator/advanced.html names it as the way to read ``custom`` and
other values. Here it reads the merged values over the chart's defaults, as given in the hub's settings.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

PUBLIC = ("get_config", "get_name", "get_name_env", "get_secret_value", "set_config_if_not_none")


class Z2jh(ModuleType):
    """The module as an object, so that a wrong name can be answered with the right ones.

    ``names`` are the environment variables that Kubernetes would set for the release's services.
    """

    def __init__(
        self, values: Mapping[str, Any], *, secrets: Mapping[str, str], names: Mapping[str, str]
    ) -> None:
        super().__init__("z2jh", "The merged values of this hub.")
        self.__file__ = __file__
        self.__all__ = list(PUBLIC)
        self._values, self._secrets, self._names = values, secrets, names

    def get_config(self, key: str, default: Any = None) -> Any:
        """The value at a dotted path such as ``singleuser.memory.limit``; ``default`` where there is none."""
        found: Any = self._values
        for part in key.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return default
            found = found[part]
        return found

    def set_config_if_not_none(self, cparent: Any, name: str, key: str) -> None:
        """Set ``cparent.<name>`` to the value at ``key``, if there is one that is not null."""
        found = self.get_config(key)
        if found is not None:
            setattr(cparent, name, found)

    def get_secret_value(self, key: str, default: Any = None) -> Any:
        """A key of the hub's Secret, by its path in the values."""
        return self._secrets.get(key, default)

    def get_name(self, name: str) -> str:
        """The full name of a resource of the release; the chart's defaults use the short one."""
        return name

    def get_name_env(self, name: str, suffix: str = "") -> str:
        """What Kubernetes would set: ``HUB_SERVICE_PORT`` for ``hub`` and the suffix ``_SERVICE_PORT``."""
        variable = re.sub(r"[^A-Z0-9]", "_", self.get_name(name).upper()) + suffix
        found = self._names.get(variable, os.environ.get(variable))
        if found is None:
            raise KeyError(f"{variable}: there is no cluster here that would set it")
        return found

    def __getattr__(self, name: str) -> Any:
        # dunder names are asked by Python itself and must fail quietly
        if name.startswith("_"):
            raise AttributeError(name)
        raise ImportError(
            f"z2jh has no {name!r} here; it has {', '.join(PUBLIC)}", name="z2jh", path=self.__file__
        )


def install(module: Z2jh) -> None:
    """Let ``import z2jh`` find it from now on."""
    sys.modules["z2jh"] = module
