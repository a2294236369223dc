"""YAML mappings with the line of every key, for messages that say where something is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

KeyPath = tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the line (counted from 1), the key, and what it is."""

    line: int
    path: KeyPath
    text: str


@dataclass
class Document:
    """A parsed file: plain data, the line of each key, and what was wrong with it."""

    tree: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    mappings_seen: set[int] = field(default_factory=set, repr=False)


def parse(text: str) -> Document:
    """Read YAML text whose top is a mapping; never raises: what is wrong is in ``problems``.

    An empty text is an empty mapping. Keys are taken as written (``on`` stays ``on``). Of a key that
    stands twice the first counts and the second is a problem.
    """
    import yaml

    document = Document()
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return document
        if isinstance(root, yaml.MappingNode):
            document.tree = _mapping(loader, root, (), document)
        elif not _is_empty(root):
            document.problems.append(
                Problem(_line(root), (), "expected keys with values (key: value) at the top of the file")
            )
    except yaml.MarkedYAMLError as trouble:
        document.problems.append(_syntax_problem(trouble))
    except yaml.YAMLError as trouble:
        position = getattr(trouble, "position", 0)
        line = text.count("\n", 0, position) + 1
        document.problems.append(Problem(line, (), "a character that YAML does not allow"))
    except RecursionError:
        document.problems.append(Problem(1, (), "nested too deeply"))
    finally:
        if loader is not None:
            loader.dispose()
    return document


def _mapping(loader: Any, node: yaml.MappingNode, path: KeyPath, document: Document) -> dict[str, Any]:
    import yaml

    document.mappings_seen.add(id(node))
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = _line(key_node)
        if not isinstance(key_node, yaml.ScalarNode):
            document.problems.append(Problem(line, path, "a key must be plain text"))
            continue
        key = key_node.value
        here = (*path, key)
        if key in found:
            first = document.lines[here]
            document.problems.append(Problem(line, here, f"the same key stands in line {first} already"))
            continue
        document.lines[here] = line
        found[key] = _value(loader, value_node, here, document)
    return found


def _value(loader: Any, node: yaml.Node, path: KeyPath, document: Document) -> Any:
    import yaml

    if isinstance(node, yaml.MappingNode):
        if id(node) not in document.mappings_seen:
            return _mapping(loader, node, path, document)
        # It may be a mapping around this one, or one of many that multiply: neither has an end.
        document.problems.append(Problem(document.lines[path], path, "an alias of keys; write the keys out"))
        return None
    if isinstance(node, yaml.SequenceNode):
        return _sequence(loader, node, path, document)
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError, TypeError, KeyError, OverflowError):
        document.problems.append(
            Problem(_line(node), path, "a value that YAML cannot read; put it in quotes")
        )
        return None


def _sequence(loader: Any, node: yaml.SequenceNode, path: KeyPath, document: Document) -> list[Any]:
    """The items; the line of each is found below its number, counted from 0."""
    if id(node) in document.mappings_seen:
        document.problems.append(Problem(document.lines[path], path, "an alias of a list; write it out"))
        return []
    document.mappings_seen.add(id(node))
    found = []
    for number, item in enumerate(node.value):
        here = (*path, str(number))
        document.lines[here] = _line(item)
        found.append(_value(loader, item, here, document))
    return found


def _is_empty(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _syntax_problem(trouble: yaml.MarkedYAMLError) -> Problem:
    mark = trouble.problem_mark or trouble.context_mark
    what = trouble.problem or trouble.context or "not YAML"
    if "'\\t'" in what:
        what = "a tab; YAML is indented with spaces"
    if mark is None:
        return Problem(1, (), what)
    return Problem(mark.line + 1, (), f"column {mark.column + 1}: {what}")
