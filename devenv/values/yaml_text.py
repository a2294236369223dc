"""YAML as Helm reads it, with the place of every key.

Helm's parser (go-yaml by way of sigs.k8s.io/yaml) is close to YAML 1.1: ``on`` and ``y`` are true,
``0755`` is octal, ``1:30`` and ``2026-01-01`` stay text, every key becomes text as in JSON. Anchors,
aliases and ``<<`` work.
https://github.com/go-yaml/yaml/blob/v2/resolve.go
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from devenv.yaml_lines import KeyPath, Problem

if TYPE_CHECKING:
    import yaml

# Aliases of aliases can say more than any machine holds; the largest real files have some hundreds of values.
MOST_VALUES = 100_000
# libyaml's composer overflows its stack instead of raising an error.
DEEPEST = 200

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True)
class Place:
    """The lines (counted from 1) of a key and of the first line of its value's text."""

    line: int
    text_line: int


@dataclass
class Document:
    """Plain data, the place of each key and list item (below its number), and what was wrong."""

    tree: dict[str, Any] = field(default_factory=dict, repr=False)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def parse(text: str) -> list[Document]:
    """Each document of a file, in order; never raises: what is wrong is in their ``problems``.

    An empty document is an empty mapping. A key that stands twice in one mapping is a problem, although
    Helm would silently take the last.
    """
    import yaml

    found: list[Document] = []
    loader = None
    try:
        _check_depth(text)
        loader = _loader_class()(text)
        while loader.check_node():
            found.append(_Reader().document(loader.get_node()))
    except yaml.MarkedYAMLError as trouble:
        found.append(Document(problems=[_syntax_problem(trouble)]))
    except yaml.YAMLError as trouble:
        line = text.count("\n", 0, getattr(trouble, "position", 0)) + 1
        found.append(Document(problems=[Problem(line, (), "a character that YAML does not allow")]))
    except RecursionError:
        found.append(Document(problems=[Problem(1, (), "nested too deeply")]))
    finally:
        if loader is not None:
            loader.dispose()
    return found


def _check_depth(text: str) -> None:
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CLoader", yaml.Loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise RecursionError
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _TooMuchError(Exception):
    pass


class _Reader:
    """Turns the nodes of one document into data."""

    def __init__(self) -> None:
        self.found = Document()
        self._open: set[int] = set()
        self._count = 0

    def document(self, node: yaml.Node) -> Document:
        import yaml

        try:
            if isinstance(node, yaml.MappingNode):
                self.found.tree = self._mapping(node, ())
            elif not _is_null(node):
                self._problem(node, (), "expected keys with values (key: value) at the top of the file")
        except _TooMuchError:
            self._problem(node, (), "too many values; aliases of aliases multiply")
        return self.found

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        import yaml

        self._count += 1
        if self._count > MOST_VALUES:
            raise _TooMuchError
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._problem(node, path, "an alias of what it stands in")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return self._sequence(node, path)
        finally:
            self._open.discard(id(node))

    def _sequence(self, node: yaml.Node, path: KeyPath) -> list[Any]:
        found = []
        for number, item in enumerate(node.value):
            here = (*path, str(number))
            self.found.places[here] = _place(item, item)
            found.append(self._value(item, here))
        return found

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        own: set[str] = set()
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            if key_node.tag == _MERGE:
                self._merge(value_node, found, path)
                continue
            here = (*path, key)
            if key in own:
                first = self.found.places[here].line
                self._problem(key_node, here, f"the same key stands in line {first} already")
                continue
            own.add(key)
            self.found.places[here] = _place(key_node, value_node)
            found[key] = self._value(value_node, here)
        return found

    def _merge(self, node: yaml.Node, found: dict[str, Any], path: KeyPath) -> None:
        """https://yaml.org/type/merge.html, but as Helm's parser has it: over the keys that stand before it.

        Of a list the first mapping wins, as everywhere.
        """
        import yaml

        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in reversed(sources):
            if not isinstance(source, yaml.MappingNode):
                self._problem(node, path, "<< takes a mapping or a list of mappings")
                return
            found.update(self._value(source, path) or {})

    def _key(self, node: yaml.Node, path: KeyPath) -> str | None:
        import yaml

        if not isinstance(node, yaml.ScalarNode):
            self._problem(node, path, "a key must be plain text")
            return None
        if node.tag == _MERGE:
            return "<<"
        found = self._scalar(node, path)
        if found is None:
            self._problem(node, path, "a key must not be null")
            return None
        return _key_text(found)

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        text = str(node.value)
        if not node.tag.startswith(_TAG):
            self._problem(node, path, f"a tag that Helm does not know: {node.tag}")
            return None
        kind = node.tag.removeprefix(_TAG)
        if kind in ("str", "timestamp"):
            return text
        found = _resolved(text)
        if isinstance(found, float) and not math.isfinite(found):
            self._problem(node, path, "a number that JSON cannot say, so Helm refuses it")
            return None
        if kind == "float" and type(found) is int:
            return float(found)
        fits = {"bool": bool, "int": int, "float": float, "null": type(None)}
        if kind in fits and type(found) is not fits[kind]:
            self._problem(node, path, f"not of its tag's type, !!{kind}")
        elif kind not in fits and kind != "value":
            self._problem(node, path, f"a tag that Helm does not take here: !!{kind}")
        return found

    def _problem(self, node: yaml.Node, path: KeyPath, text: str) -> None:
        self.found.problems.append(Problem(int(node.start_mark.line) + 1, path, text))


def _resolved(text: str) -> Any:
    """What a plain text means."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text[0] not in "+-.0123456789":
        return text
    plain = text.replace("_", "")
    if _INTEGER.fullmatch(plain):
        found = _integer(plain)
        return found if -(2**63) <= found < 2**64 else float(found)
    if _FLOAT.fullmatch(plain):
        return float(plain) if math.isfinite(float(plain)) else text
    if _NO_NUMBER.fullmatch(plain):
        return math.nan
    return text


def _integer(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _key_text(value: Any) -> str:
    """A key as JSON has it: https://pkg.go.dev/sigs.k8s.io/yaml#YAMLToJSON"""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _is_null(node: yaml.Node) -> bool:
    import yaml

    return isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}value" and node.value in _NULL


def _place(key_node: yaml.Node, value_node: yaml.Node) -> Place:
    first = int(value_node.start_mark.line) + 1
    # the text of a block (| or >) starts in the line after its mark
    is_block = getattr(value_node, "style", None) in ("|", ">")
    return Place(int(key_node.start_mark.line) + 1, first + 1 if is_block else first)


def _syntax_problem(trouble: yaml.MarkedYAMLError) -> Problem:
    mark = trouble.problem_mark or trouble.context_mark
    what = trouble.problem or trouble.context or "not YAML"
    if "cannot start any token" in what:
        what = "a character that cannot stand here; is it a tab? YAML is indented with spaces"
    if mark is None:
        return Problem(1, (), what)
    return Problem(mark.line + 1, (), f"column {mark.column + 1}: {what}")


@cache
def _loader_class() -> Any:
    """Composes nodes whose plain scalars get their tag by Helm's rules, with libyaml where it is there."""
    import yaml
    from yaml.resolver import BaseResolver

    class Resolver(BaseResolver):
        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
            if kind is not yaml.ScalarNode:
                return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
            if not implicit[0]:
                return f"{_TAG}str"
            if value == "<<":
                return _MERGE
            return f"{_TAG}str" if type(_resolved(value)) is str else f"{_TAG}value"

    if yaml.__with_libyaml__:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]

        class FastLoader(CParser, Resolver):
            def __init__(self, text: str) -> None:
                CParser.__init__(self, text)
                Resolver.__init__(self)

        return FastLoader

    from yaml.composer import Composer
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class Loader(Reader, Scanner, Parser, Composer, Resolver):
        def __init__(self, text: str) -> None:
            Reader.__init__(self, text)
            Scanner.__init__(self)
            Parser.__init__(self)
            Composer.__init__(self)
            Resolver.__init__(self)

        def dispose(self) -> None:
            self.states, self.state = [], None

    return Loader
