"""Reads Bicep with tree-sitter's grammar: what a file declares, what it refers to. PyPI has no compiler."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tree_sitter
import tree_sitter_bicep
from tree_sitter import Node

_PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))
_DECLARATIONS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
}


def text(node: Node | None) -> str:
    return node.text.decode() if node and node.text else ""


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


@dataclass(frozen=True, slots=True)
class Declaration:
    """`kind name`, its node, and for a resource the whole type (a nested one's with its parent's) and API version."""

    kind: str
    name: str
    node: Node
    type: str = ""
    version: str = ""

    @property
    def body(self) -> Node:
        """The outermost object of a resource or module."""
        return next(each for each in walk(self.node) if each.type == "object")


@dataclass(frozen=True, slots=True)
class File:
    path: Path
    root: Node

    @property
    def declarations(self) -> list[Declaration]:
        return [each for each in (_declaration(node) for node in walk(self.root)) if each]

    def named(self, kind: str) -> dict[str, Declaration]:
        return {each.name: each for each in self.declarations if each.kind == kind}

    def names_used(self) -> set[str]:
        """Identifiers in expressions: no keys, no properties, no functions, no declared names."""
        return {text(node) for node in walk(self.root) if _is_reference(node)}

    def functions(self) -> set[str]:
        return {
            text(node.child_by_field_name("function")) for node in walk(self.root) if node.type == "call_expression"
        }

    def loop_names(self) -> set[str]:
        return {
            text(node.child_by_field_name("initializer")) for node in walk(self.root) if node.type == "for_statement"
        }


def read(path: Path) -> File:
    return File(path, _PARSER.parse(path.read_bytes()).root_node)


def errors(file: File) -> list[str]:
    """Where the grammar does not fit."""
    return [
        f"{file.path.name}:{node.start_point[0] + 1}: {text(node)[:60]!r}"
        for node in walk(file.root)
        if node.is_error or node.is_missing
    ]


def _declaration(node: Node) -> Declaration | None:
    kind = _DECLARATIONS.get(node.type)
    if kind is None:
        return None
    named = [child for child in node.children if child.is_named]
    name = text(named[0])
    if kind != "resource":
        return Declaration(kind, name, node)
    path, _, version = text(named[1]).strip("'").partition("@")
    parent = node.parent
    while parent is not None:
        if parent.type == "resource_declaration" and (outer := _declaration(parent)):
            return Declaration(kind, name, node, f"{outer.type}/{path}", version or outer.version)
        parent = parent.parent
    return Declaration(kind, name, node, path, version)


def _is_reference(node: Node) -> bool:
    parent = node.parent
    if node.type != "identifier" or parent is None:
        return False
    if parent.type in _DECLARATIONS:
        # The first is the declared name; what follows a variable's or an output's `=` is a reference.
        return parent.named_children[0] != node
    if parent.type == "object_property":
        return parent.named_children[0] != node or len(parent.named_children) == 1
    if parent.type == "call_expression":
        return parent.child_by_field_name("function") != node
    if parent.type == "for_statement":
        return parent.child_by_field_name("initializer") != node
    return parent.type not in {"decorator", "member_expression_property"}


def entries(node: Node) -> dict[str, Node]:
    """An object's keys and values."""
    found = {}
    for child in node.named_children:
        if child.type == "object_property" and len(child.named_children) >= 2:
            found[text(child.named_children[0]).strip("'")] = child.named_children[-1]
    return found


def at(node: Node, *keys: str) -> Node:
    for key in keys:
        node = entries(node)[key]
    return node
