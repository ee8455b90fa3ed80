"""YAML as a config is written: every key once, one document, and no more than a config can need."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from lit_a3c.utils.errors import ConfigError

MAX_CHARACTERS = 1_000_000
"""Longest text that is read. The longest shipped config has a few thousand characters."""
MAX_NODES = 100_000
"""Most values of a document, where an alias counts as all that it stands for. Ten short lines of nested aliases can
stand for billions of values, which whatever walks the document would visit one by one."""
_NOT_CONSTRUCTED = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")  # keys that YAML itself gives a meaning


def load_yaml(text: str) -> Any:
    """The one document of a text, in plain types.

    Args:
        text: YAML.

    Returns:
        The document; None where the text has none.

    Raises:
        ConfigError: No YAML, a key that a mapping has twice, several documents, a tag that makes an object, or more
            text or values than the limits. The message names what and the line.
    """
    try:
        return _load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f" in line {mark.line + 1}"
        raise ConfigError(f"it is not YAML that can be read: {error.problem or error.context}{where}.") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        if isinstance(error, ConfigError):
            raise
        reason = " ".join(str(error).split())[:160]
        raise ConfigError(f"it is not YAML that can be read: {reason}.") from error


def check_yaml(text: str) -> None:
    """Refuse what :func:`load_yaml` refuses of YAML that can be read.

    Raises:
        ConfigError: A duplicate key, several documents, or too much text or too many values.
        yaml.YAMLError: No YAML.
    """
    _load(text, construct=False)


def _load(text: str, *, construct: bool = True) -> Any:
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"it has {len(text):,} characters; {MAX_CHARACTERS:,} are allowed.")
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_node() if loader.check_node() else None
        if loader.check_node():
            raise ConfigError(f"it holds several documents; the second begins in line {loader.get_mark().line + 1}.")
        if node is None:
            return None
        _count(node, loader, "", {})
        return loader.construct_document(node) if construct else None
    except RecursionError:
        raise ConfigError("it is nested too deeply.") from None
    finally:
        loader.dispose()


def _count(node: yaml.Node, loader: yaml.SafeLoader, path: str, counted: dict[yaml.Node, int]) -> int:
    """The values that a node stands for, aliases written out; every mapping below it is checked for duplicate keys.

    Args:
        node: What to count.
        loader: Constructs the keys, because ``1`` and ``0x1`` are the same.
        path: Keys that lead to the node.
        counted: Nodes that have been counted, and 0 for those that are being counted.
    """
    if (known := counted.get(node)) is not None:
        if known == 0:
            raise ConfigError(f"the alias of line {node.start_mark.line + 1} contains itself.")
        return known
    counted[node] = 0
    total = 1
    for name, child in _children(node, loader, path):
        total += _count(child, loader, name, counted)
        if total > MAX_NODES:
            raise ConfigError(f"{name or 'it'} holds more than {MAX_NODES:,} values when its aliases are written out.")
    counted[node] = total
    return total


def _children(node: yaml.Node, loader: yaml.SafeLoader, path: str) -> list[tuple[str, yaml.Node]]:
    """The nodes below a node, each with the keys that lead to it.

    Raises:
        ConfigError: A mapping has a key twice.
    """
    if isinstance(node, yaml.SequenceNode):
        return [(f"{path}[{i}]", child) for i, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return []
    lines: dict[Hashable, int] = {}
    children = []
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            children += [(path, key_node), (path, value_node)]
            continue
        name = f"{path}.{key_node.value}" if path else key_node.value
        line = key_node.start_mark.line + 1
        children += [(name, key_node), (name, value_node)]
        plain = key_node.tag in _NOT_CONSTRUCTED
        key = key_node.value if plain else loader.construct_object(key_node)
        if key in lines:
            lines_in_words = f"lines {lines[key]} and {line}" if line != lines[key] else f"line {line}"
            raise ConfigError(f"the key {name!r} is given twice, in {lines_in_words}.")
        lines[key] = line
    return children
