"""The rules of groups, as conditions of HAProxy (its manual, "Using ACLs")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zopestack.features.groups import COOKIES, HEADERS, HOSTS, METHODS, PATHS, Rule
from zopestack.features.lanes import Lane, of_a_group
from zopestack.model import Stack


@dataclass(frozen=True)
class Line:
    """A line of ``groups``.

    :param text: the line as a user writes it.
    :param lane: the backend of its group.
    :param conditions: of which a request meets one.
    """

    number: int
    text: str
    lane: str
    conditions: tuple[str, ...]


def lines(stack: Stack) -> Iterator[Line]:
    """The lines in their order."""
    for number, rule in enumerate(stack.groups.groups, 1):
        conditions = tuple(_conditions(rule, stack))
        yield Line(number, rule.text, of_a_group(rule.group), conditions)


def _conditions(rule: Rule, stack: Stack) -> Iterator[str]:
    words = " ".join(rule.words)
    if rule.kind == PATHS:
        yield from _paths(rule.words, stack)
    elif rule.kind == HOSTS:
        yield f"var(txn.host),host_only -m str -- {words}"
    elif rule.kind == METHODS:
        yield f"method {words}"
    elif rule.kind == COOKIES:
        for word in rule.words:
            yield f"req.cook({word}) -m found"
    elif rule.kind == HEADERS and rule.words:
        yield f"req.hdr({rule.header}) -i -m sub -- {words}"
    elif rule.kind == HEADERS:
        yield f"req.fhdr({rule.header}) -m found"


def _paths(paths: tuple[str, ...], stack: Stack) -> Iterator[str]:
    below = " ".join(f"{path}/" for path in paths)
    # The second one is the path after Zope's decoding, where it has escapes.
    for sample in (stack.proxies.own_path, "var(txn.once)"):
        yield f"{sample} -m str {' '.join(paths)}"
        yield f"{sample} -m beg {below}"
    if stack.proxies.believes_headers:
        # Where a proxy has rewritten the path, it may have taken these to be a part of the site's
        # root, as Volto's documentation does. Nobody else may have VirtualHostRoot in a path.
        inside = " ".join(f"{path}/VirtualHostRoot" for path in paths)
        yield f"path -m sub {inside}"


def chosen(stack: Stack, lane: Lane) -> str:
    """The condition that a request goes to a lane; empty where there is one lane for clients."""
    if not stack.groups.groups:
        return ""
    return f" {{ var(txn.lane) -m str {lane.name} }}" if lane.group else " !placed"
