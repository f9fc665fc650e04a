"""The option ``groups``: which requests go to instances of their own.

    rest = /++api++
    editors = cookie __ac
    crawlers = agent bot crawl spider
    uploads = method POST PUT
    intranet = host intranet.example.org
    json = header Accept application/json

A line is a group and a rule for its requests. The first line that matches counts. One group may
have several lines.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from zopestack.features.instances import NAME, NUMBERED
from zopestack.features.limits import METHOD
from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.sites import LABEL, PATH
from zopestack.features.sites import RESERVED as OF_VIRTUAL_HOSTS

ACCEPTED = (
    "lines like rest = /++api++, editors = cookie __ac, crawlers = agent bot, "
    "uploads = method POST, intranet = host intranet.example.org or json = header Accept json"
)

#: Kinds of rules. A path begins with a slash, so it needs no word for its kind.
PATHS, HOSTS, METHODS, COOKIES, HEADERS = "path", "host", "method", "cookie", "header"

#: The kind ``agent``, which is a rule for this header.
AGENT = "agent"
USER_AGENT = "user-agent"

#: By kind, what each of its words is, all of it harmless in haproxy.cfg without quotes. Names of
#: cookies and headers are tokens (RFC 6265 and 9110); HAProxy removes headers with ``_`` in them.
WORDS = {
    PATHS: (re.compile(rf"(?=/){PATH.pattern}"), "a path of letters, digits and . _ ~ @ + -"),
    HOSTS: (re.compile(rf"{LABEL}(\.{LABEL})*"), "a host name without a port"),
    METHODS: (METHOD, "a request method in capitals"),
    COOKIES: (re.compile(r"[A-Za-z0-9_.-]{1,64}"), "the name of a cookie"),
    HEADERS: (re.compile(r"[A-Za-z0-9._~@+/:=-]{1,128}"), "a part of a header, without spaces"),
}
HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class Rule:
    """One line: a group, and which requests are its.

    :param kind: one of the keys of :data:`WORDS`.
    :param words: paths, of which the request's begins with one; hosts, methods or names of
        cookies, of which it has one; parts of a header, of which it has one, or none where any
        value will do.
    :param header: the name of the header, in lower case; empty for other kinds.
    """

    group: str
    kind: str
    words: tuple[str, ...]
    header: str = ""

    @property
    def text(self) -> str:
        """The line as a user may write it."""
        kind = "" if self.kind == PATHS else self.kind
        return f"{self.group} = {' '.join(filter(None, (kind, self.header, *self.words)))}"

    def hides(self, later: Rule) -> str:
        """What of a later line never counts because of this one; empty where all of it does."""
        if (self.kind, self.header) != (later.kind, later.header):
            return ""
        if not self.words:
            return later.header
        return next((word for word in later.words if any(self._takes(word))), "")

    def _takes(self, word: str) -> Iterator[bool]:
        for own in self.words:
            if self.kind == PATHS:
                yield f"{word}/".startswith(f"{own}/")
            elif self.kind == HEADERS:
                yield own.lower() in word.lower()
            else:
                yield own == word


def _rules(text: str) -> tuple[Rule, ...]:
    found: list[Rule] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        rule = _rule(line)
        for earlier in found:
            if hidden := earlier.hides(rule):
                raise ValueError(
                    f"{ACCEPTED}; {earlier.text} takes {hidden} before {rule.text} can. Delete "
                    "one, or put the narrower one first"
                )
        found.append(rule)
    return tuple(found)


def _rule(line: str) -> Rule:
    group, equals, given = (part.strip() for part in line.partition("="))
    kind, *words = given.split() or [""]
    if kind.startswith("/"):
        kind, words = PATHS, [word.rstrip("/") for word in given.split()]
    elif kind == AGENT:
        kind, words = HEADERS, [USER_AGENT, *words]
    header = words.pop(0).lower() if kind == HEADERS and words else ""
    if not equals or kind not in WORDS or not (words or (header and header != USER_AGENT)):
        raise ValueError(f"{ACCEPTED}; {line!r} is not one")
    if not NAME.fullmatch(group):
        raise ValueError(f"{ACCEPTED}; {group!r} is not a name such as rest")
    if NUMBERED.fullmatch(group):
        raise ValueError(f"{ACCEPTED}, each with a name that nothing else has, not {group}")
    if header and not HEADER.fullmatch(header):
        raise ValueError(f"{ACCEPTED}; {header!r} is not a header's name of letters, digits and -")
    if kind == HOSTS:
        words = [word.lower() for word in words]
    pattern, expected = WORDS[kind]
    for word in words:
        if not pattern.fullmatch(word) or (kind == PATHS and OF_VIRTUAL_HOSTS.search(word)):
            raise ValueError(f"{ACCEPTED}; in {line!r}, {word or '/'} is not {expected}")
    return Rule(group, kind, tuple(words), header)


@feature
class Groups(Feature):
    """Requests that go to instances of their own."""

    groups: tuple[Rule, ...] = option(
        _rules,
        "",
        "Groups of instances for a kind of requests each, a rule a line: ``rest = /++api++``, "
        "``editors = cookie __ac``, ``crawlers = agent bot``, ``uploads = method POST``, "
        "``intranet = host intranet.example.org``, ``json = header Accept json``. The first line "
        "that matches counts. A section of the group's name sets its number of ``instances`` and "
        "more. See :doc:`/howto/groups`.",
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The groups, each once, in the order of their first lines."""
        return tuple(dict.fromkeys(rule.group for rule in self.groups))

    def check_beside(
        self, taken: Collection[str], methods: Collection[str], hosts: Collection[str]
    ) -> None:
        """Check against what other options say.

        :param taken: names of other things.
        :param methods: that reach Zope.
        :param hosts: that a site shows; none where any host may be asked for.
        :raises Refused: for the first line that has such a name, or that no request matches.
        """
        for rule in self.groups:
            if rule.group in taken:
                raise Refused("groups", f"names that nothing else has, not {rule.group}")
            for word in rule.words:
                if rule.kind == METHODS and word not in methods:
                    raise Refused(
                        "groups",
                        f"methods that reach Zope, {' '.join(methods)} (option methods), not "
                        f"{word} in the line {rule.text}",
                    )
                if rule.kind == HOSTS and hosts and word not in hosts:
                    raise Refused(
                        "groups",
                        f"hosts that a line of sites shows, not {word} in the line {rule.text}",
                    )
