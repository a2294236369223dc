"""How Helm puts values files over one another, and all of them over a chart's defaults.

https://helm.sh/docs/chart_template_guide/values_files/ is the promise, and where it is silent Helm 4 decides:
``MergeMaps`` in pkg/chart/v2/loader/load.go (files) and ``CoalesceValues`` in
pkg/chart/common/util/coalesce.go (defaults) of https://github.com/helm/helm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from devenv.yaml_lines import KeyPath

Tree = dict[str, Any]


def merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> Tree:
    """A file over the files before it: mappings merge, anything else is replaced, null included.

    A null stays in the result, because it is the chart's default that it deletes in the end
    (:func:`coalesce`). Neither argument is changed or shared.
    """
    merged = deepcopy(dict(lower))
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = deepcopy(value)
    return merged


def coalesce(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> Tree:
    """The values over a chart's defaults, as its templates see them.

    A null deletes the default of its key. A null that meets no default stays, as does one below a key that
    the defaults do not have. Defaults that are null themselves are left out.
    """
    found = _over_defaults(values, defaults)
    # Helm treats the topmost keys apart: there a null default is one to delete as well
    for key in [key for key, default in defaults.items() if default is None and key in found]:
        if found[key] is None:
            del found[key]
    return found


def _over_defaults(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> Tree:
    found = deepcopy(dict(values))
    for key, default in defaults.items():
        if default is None:
            continue
        if key not in found:
            found[key] = _without_nulls(default)
        elif found[key] is None:
            del found[key]
        elif isinstance(found[key], dict) and isinstance(default, Mapping):
            found[key] = _over_defaults(found[key], default)
    return found


def clashes(lower: Mapping[str, Any], upper: Mapping[str, Any], path: KeyPath = ()) -> Iterator[KeyPath]:
    """Where one has a mapping and the other something else, other than null: the upper one wins whole."""
    for key, value in upper.items():
        below, here = lower.get(key), (*path, key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            yield from clashes(below, value, here)
        elif (
            value is not None
            and below is not None
            and isinstance(value, Mapping) != isinstance(below, Mapping)
        ):
            yield here


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return deepcopy(value)
