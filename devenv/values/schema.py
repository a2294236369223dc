"""A chart's own JSON schema over the merged values, when the chart is at hand.

https://helm.sh/docs/topics/charts/#schema-files
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from devenv.errors import MissingError, UsageError
from devenv.values.keys import defaults
from devenv.values.merge import coalesce
from devenv.values.wording import got, suggestion
from devenv.yaml_lines import KeyPath

_SCHEMAS = ("values.schema.json", "values.schema.yaml")
_VALUES = "values.yaml"
_LARGEST_BYTES = 16 << 20

_TYPES = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "array": "a list", "object": "keys with values", "null": "null",
}  # fmt: skip


def problems(tree: Mapping[str, Any], chart: Path) -> Iterator[tuple[KeyPath, str]]:
    """What the schema of a chart (its archive, folder or schema file) says of the values over its defaults.

    Raises MissingError when the chart or jsonschema is not there, UsageError when it holds no schema.
    """
    try:
        from jsonschema import Draft7Validator
    except ImportError:
        raise MissingError(
            "jsonschema is not installed", hint="Make the environment anew: rm -r .venv"
        ) from None
    schema, given = _load(chart)
    values = coalesce(tree, defaults() if given is None else given)
    for error in sorted(
        Draft7Validator(schema).iter_errors(values), key=lambda each: list(map(str, each.path))
    ):
        # without the chart's defaults, what they would have given seems to be missing
        if error.validator == "required" and given is None:
            continue
        yield from _described(error, tuple(str(part) for part in error.absolute_path))


def _described(error: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    wanted = error.validator_value
    value = got(error.instance, path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        siblings = tuple(error.schema.get("properties", ()))
        for key in [key for key in error.instance if not _is_covered(key, error.schema)]:
            yield (*path, key), f"the chart has no such key{suggestion(key, path, siblings)}"
    elif error.validator == "type":
        names = [wanted] if isinstance(wanted, str) else wanted
        words = " or ".join(_TYPES[name] for name in names if name != "null" or len(names) == 1)
        yield path, f"expected {words}, got {value}"
    elif error.validator in ("enum", "const"):
        choices = wanted if isinstance(wanted, list) else [wanted]
        yield path, f"expected one of {', '.join(str(each) for each in choices if each)}, got {value}"
    elif error.validator == "required":
        missing = [name for name in wanted if name not in error.instance]
        yield path, f"needs {', '.join(missing)}"
    elif error.validator in ("minimum", "pattern", "minItems", "maxItems", "minLength"):
        yield path, f"expected {error.validator} {wanted}, got {value}"
    else:
        yield path, f"does not keep the chart's rule ({error.validator})"


def _is_covered(key: str, schema: Mapping[str, Any]) -> bool:
    patterns = schema.get("patternProperties", ())
    return key in schema.get("properties", ()) or any(re.search(pattern, key) for pattern in patterns)


def _load(chart: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The schema, and the chart's defaults where they lie beside it."""
    try:
        texts = _archive(chart) if chart.is_file() and chart.suffix in (".tgz", ".gz") else _folder(chart)
    except FileNotFoundError:
        raise MissingError(
            f"there is no chart at {chart}", hint="Name its .tgz, its folder or its schema"
        ) from None
    except (OSError, EOFError) as trouble:
        raise UsageError(f"{chart} cannot be read as a chart: {trouble}") from None
    schemas = [name for name in texts if name != _VALUES]
    if not schemas:
        raise UsageError(f"{chart} holds no {' and no '.join(_SCHEMAS)}", hint="Name the chart jupyterhub")
    given = texts.get(_VALUES)
    return _parsed(texts[schemas[0]], chart), None if given is None else _parsed(given, chart)


def _parsed(text: str, chart: Path) -> dict[str, Any]:
    import yaml

    try:
        found = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        found = None
    if not isinstance(found, dict):
        raise UsageError(f"{chart}: its schema or its values are no valid JSON or YAML")
    return found


def _folder(chart: Path) -> dict[str, str]:
    folder = chart if chart.is_dir() else chart.parent
    names = [name for name in _SCHEMAS if (folder / name).is_file()] if chart.is_dir() else [chart.name]
    found = {name: (folder / name).read_text(encoding="utf-8") for name in names}
    if (folder / _VALUES).is_file():
        found[_VALUES] = (folder / _VALUES).read_text(encoding="utf-8")
    return found


def _archive(chart: Path) -> dict[str, str]:
    """The two files of the chart itself, not those of its dependencies (NAME/charts/...)."""
    import tarfile
    import zlib

    found: dict[str, str] = {}
    try:
        with tarfile.open(chart) as archive:
            for member in archive:
                parts = Path(member.name).parts
                wanted = len(parts) == 2 and parts[1] in (*_SCHEMAS, _VALUES)
                stream = archive.extractfile(member) if wanted and member.size <= _LARGEST_BYTES else None
                if stream is not None:
                    found[parts[1]] = stream.read().decode()
    except (tarfile.TarError, UnicodeDecodeError, zlib.error) as trouble:
        raise OSError(f"not a gzipped tar archive ({type(trouble).__name__})") from None
    return found
