"""YAML of a suite file, with the line of every key: what is wrong is said where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dmsbench.errors import SuiteError
from dmsbench.plain_files import read_text

Location = tuple[str | int, ...]
#: Of a suite file; those that ship have 2 KiB.
MOST_BYTES = 2**20
#: Keys of all mappings together once those that YAML takes from elsewhere are there.
MOST_KEYS = 100_000
#: A mapping's keys that YAML takes from elsewhere.
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Lines:
    """Line numbers, from 1, of a file's keys and list items by where they are: ``("grid", "image", 2)``."""

    of: Mapping[Location, int] = field(default_factory=dict)
    words: Mapping[str, int] = field(default_factory=dict)
    """By text, the line of the first value that is nothing but it."""

    def where(self, location: Sequence[str | int]) -> str:
        """``line 7: `` of the nearest known key at or above a location; empty where none is known."""
        for end in range(len(location), 0, -1):
            line = self.of.get(tuple(location[:end]))
            if line is not None:
                return f"line {line}: "
        return ""

    def of_word(self, word: str) -> str:
        """``line 7: `` of the first value that is this word; empty where there is none."""
        return f"line {self.words[word]}: " if word in self.words else ""


def read_yaml(path: Path) -> tuple[Any, Lines]:
    """The file's content and its lines.

    Raises SuiteError for a file that cannot be read, is no YAML or has a key twice in one mapping.
    """
    try:
        text = read_text(path, MOST_BYTES)
    except ValueError as error:
        raise SuiteError(f"{path}: cannot be read ({error})") from None
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None, Lines()
            found = list(_located(node, path, (), set()))
            _check_merges(node, path)
            data = loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise SuiteError(f"{path}:{where} not valid YAML ({getattr(error, 'problem', error)})") from None
    except RecursionError:
        raise SuiteError(f"{path}: nested too deeply") from None
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        # What is tagged, or looks like a date or a number, and is none.
        raise SuiteError(f"{path}: not valid YAML ({error})") from None
    words: dict[str, int] = {}
    for _, line, word in found:
        if word is not None:
            words.setdefault(word, line)
    return data, Lines({location: line for location, line, _ in found}, words)


def _located(
    node: yaml.Node, path: Path, at: Location, visited: set[int]
) -> Iterator[tuple[Location, int, str | None]]:
    """Every key and list item below a node with its line, and its text where it is a single value."""
    if id(node) in visited:
        return  # an alias; of what it stands in, or of what holds thousands
    visited.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: dict[tuple[str, Any], int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                continue
            own = (key.tag, key.value)
            if own in seen and key.tag != _MERGE:
                shown = ".".join(map(str, (*at, key.value)))
                raise SuiteError(
                    f"{path}: line {line}: {shown}: this key is there already, in line {seen[own]}; keep one"
                )
            seen[own] = line
            yield (*at, key.value), line, None
            yield from _below(value, path, (*at, key.value), visited)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield (*at, i), value.start_mark.line + 1, None
            yield from _below(value, path, (*at, i), visited)


def _check_merges(node: yaml.Node, path: Path) -> None:
    """Raises SuiteError where merging makes too many keys: ten mappings of ten, ten levels deep, are 10¹⁰."""
    sizes: dict[int, int] = {}

    def size(of: yaml.Node) -> int:
        if id(of) not in sizes:
            sizes[id(of)] = MOST_KEYS  # of what holds itself, until it is known
            found = 0
            if isinstance(of, yaml.MappingNode):
                for key, value in of.value:
                    merged = key.tag == _MERGE
                    within = size(value)
                    found += within if merged else 1
            elif isinstance(of, yaml.SequenceNode):
                found = sum(size(value) for value in of.value)
            sizes[id(of)] = found
            if found > MOST_KEYS:
                line = of.start_mark.line + 1
                raise SuiteError(f"{path}: line {line}: more than {MOST_KEYS:,} keys once all are merged")
        return sizes[id(of)]

    size(node)


def _below(
    value: yaml.Node, path: Path, at: Location, visited: set[int]
) -> Iterator[tuple[Location, int, str | None]]:
    if isinstance(value, yaml.ScalarNode):
        yield at, value.start_mark.line + 1, value.value
    else:
        yield from _located(value, path, at, visited)
