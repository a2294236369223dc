"""extraEnv: a mapping or a list of Kubernetes' EnvVar, as plain texts where that is possible.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#environment-variables
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Variables:
    """The texts by name; what could not be made one, by name, with the reason; and remarks on texts."""

    texts: dict[str, str] = field(default_factory=dict, repr=False)
    unusable: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


def read(given: Any) -> Variables:
    """What a notebook or the hub gets of an extraEnv in any of its forms. A null unsets a variable."""
    found = Variables()
    for name, value in entries(given):
        if isinstance(value, dict) and "valueFrom" in value:
            sources = ", ".join(value["valueFrom"]) if isinstance(value["valueFrom"], dict) else "something"
            found.unusable[name] = f"its value comes from Kubernetes ({sources})"
            continue
        if isinstance(value, dict):
            value = value.get("value")
        if value is None:
            continue
        if isinstance(value, (dict, list)):
            found.unusable[name] = "its value is no text"
            continue
        found.texts[name] = text_of(value)
        if not isinstance(value, str):
            found.remarks[name] = "Kubernetes takes text alone: write the value in quotes"
        elif "$(" in value.replace("$$(", ""):
            found.remarks[name] = "Kubernetes fills in $(NAME); here it stays as it is written"
    return found


def entries(given: Any) -> Iterator[tuple[str, Any]]:
    """Each variable's name and what is given for it; an explicit ``name`` wins over the key."""
    if isinstance(given, dict):
        for key, value in given.items():
            named = value.get("name") if isinstance(value, dict) else None
            yield (named if isinstance(named, str) else key), value
    elif isinstance(given, list):
        for value in given:
            if isinstance(value, dict) and isinstance(value.get("name"), str):
                yield value["name"], value


def text_of(value: Any) -> str:
    """A scalar as text, truth values as YAML writes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)
