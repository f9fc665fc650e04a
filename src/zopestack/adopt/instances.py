"""From the sections of several instances to what they have in common, and what one has alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from zopestack.adopt import recipes
from zopestack.adopt.notes import Fate, Note
from zopestack.adopt.original import REFERENCE, Original
from zopestack.adopt.roles import ITSELF, Roles, normalized
from zopestack.config import names
from zopestack.config.overrides import ADDRESSES, COMMON_SECTION, DERIVED, EXTRA, USELESS
from zopestack.features import parsers
from zopestack.features.instances import COMMON, MANUAL, NAME
from zopestack.model import OPTIONS

#: What threads were called before Zope 4.
OLD_THREADS = "zserver-threads"

#: Options whose loss loses something: they say where the data is, or replace a whole file.
LOST = {
    "rel-storage": "the data is in that database and not in ZEO's; copy it with zodbconvert before "
    "the first start",
    "zope-conf": DERIVED["zope-conf"],
}

#: Options that stay, and the option of [stack] that they need: where there is such an option.
WITH = {"rel-storage": ("storage", "relstorage")}

#: Options that an instance had for itself, and that are one of [stack] now.
ONCE = ("threads", "user", "var")


@dataclass
class Instances:
    """The sections of the instances in a stack.

    :ivar names: the new name of each instance, by its old one.
    :ivar stack: options of [stack].
    :ivar sections: what is written for all, and for one.
    :ivar common: the section of all.
    """

    original: Original
    roles: Roles
    notes: list[Note] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    stack: dict[str, str] = field(default_factory=dict)
    sections: dict[str, dict[str, str]] = field(default_factory=dict)
    common: str = COMMON

    def __post_init__(self) -> None:
        self.common = self._common()
        self.names = dict(_names(self.roles))
        given = {name: self._given(name) for name in self.roles.members}
        balanced = [given[name] for name in self.roles.balanced]
        shared = {
            option: text
            for option, text in balanced[0].items()
            if all(each.get(option) == text for each in balanced)
        }
        self.stack["instances"] = str(len(balanced))
        self.stack |= self._stack(shared)
        left = {option: text for option, text in shared.items() if option not in ONCE}
        self.sections[self.common] = left
        for name in self.roles.members:
            own = self._own(name, given[name], shared, left)
            if own:
                self.sections[self.names[name]] = own
            self._say(name)
        if self.roles.extras:
            self.stack[EXTRA] = "".join(
                f"\n{self.names[name]}{f' {MANUAL}' if manual else ''}"
                for name, manual in self.roles.extras.items()
            )
        if self.common != COMMON:
            self.stack[COMMON_SECTION] = self.common

    def _common(self) -> str:
        """The section that all instances for visitors take from, if it has a usable name."""
        taken = [dict.fromkeys(bases(self.original, name)) for name in self.roles.balanced]
        for base in taken[0]:
            if all(base in each for each in taken) and base not in self.roles.members:
                try:
                    return str(OPTIONS[COMMON_SECTION].parse(base))
                except ValueError:
                    continue
        return COMMON

    def _given(self, name: str) -> dict[str, str]:
        """The options of an instance that a stack takes; what becomes of the others is noted."""
        found = {}
        for option, text in normalized(self.original, name).items():
            # A value that is nothing but another section's is that.
            text = _followed(self.original, self.roles, option, text)
            place = self.original.place(name, option)
            if option == OLD_THREADS:
                found["threads"] = self.original.resolved(text, name)
            elif option in ONCE:
                found[option] = self.original.resolved(text, name)
            elif option in WITH and WITH[option][0] in OPTIONS:
                found[option] = text
            elif option in LOST:
                self.notes.append(Note(Fate.MISSING, place, LOST[option]))
            elif why := {**DERIVED, **USELESS}.get(option):
                if option != "recipe" and not (name in self.roles.extras and option in ADDRESSES):
                    self.notes.append(Note(Fate.GOES, place, why))
            else:
                found[option] = text
        return found

    def _stack(self, shared: Mapping[str, str]) -> dict[str, str]:
        found = {}
        first = self.roles.balanced[0]
        if shared.get("threads", "") not in ("", OPTIONS["threads"].default):
            found["threads"] = shared["threads"]
        found |= dict(WITH[option] for option in shared if option in WITH)
        user, colon, _ = shared.get("user", "").partition(":")
        if user and user != OPTIONS["user"].default:
            found["user"] = user
        if colon:
            why = (
                "a password is generated into var/admin-password for a new database; one that "
                "exists keeps its users"
            )
            place = self.original.place(first, "user")
            self.notes.append(Note(Fate.GOES, place, why, "the password"))
        return found

    def _own(
        self,
        name: str,
        given: Mapping[str, str],
        shared: Mapping[str, str],
        left: Mapping[str, str],
    ) -> dict[str, str]:
        """What an instance has of its own, or has not while the others have it."""
        # A file that is called after the instance keeps its name.
        literal = self.original.options(name)
        own = {
            option: literal.get(option, text) if ITSELF in text else text
            for option, text in given.items()
            if shared.get(option) != text and option not in ("user", "var")
        }
        if name in self.roles.extras:
            own |= {option: "" for option in left if option not in given}
            options = self.original.options(name)
            host, address = options.get("ip-address", ""), options.get("http-address", "")
            if host and self.original.resolved(address, name).isdigit():
                address = f"{host}:{address}"
            resolved = self.original.resolved(address, name)
            try:
                parsers.address(resolved)
                own["http-address"] = address
            except ValueError as expected:
                place = self.original.place(name, "http-address")
                why = f"its own address is derived then: {resolved or 'none'} is not {expected}"
                self.notes.append(Note(Fate.MISSING, place, why))
        return own

    def _say(self, name: str) -> None:
        new = self.names[name]
        kind = "behind HAProxy" if name in self.roles.balanced else f"under {EXTRA}"
        manual = ", started by hand" if self.roles.extras.get(name) else ""
        why = f"[{new}], {kind}{manual}: {self.roles.why[name]}"
        self.notes.append(Note(Fate.BECOMES, self.original.place(name), why))


def bases(original: Original, name: str) -> Iterator[str]:
    """The sections that an instance takes from: by ``<=``, or option by option."""
    yield from original.bases(name)
    for option, text in original.options(name).items():
        found = REFERENCE.fullmatch(text.strip())
        if found and found[2] == option and original.recipe(found[1]) == recipes.INSTANCE:
            yield found[1]


def _followed(original: Original, roles: Roles, option: str, text: str) -> str:
    """What a value is that is nothing but the same option of a section which is made for that."""
    found = REFERENCE.fullmatch(text.strip())
    if not found or found[2] != option or found[1] in ("", *roles.members):
        return text
    base = original.options(found[1])
    if original.recipe(found[1]) != recipes.INSTANCE or option not in base:
        return text
    return _followed(original, roles, option, base[option])


def _names(roles: Roles) -> Iterator[tuple[str, str]]:
    """The old name and the new one."""
    for number, name in enumerate(roles.balanced, 1):
        yield name, f"{COMMON}{number}"
    taken = set()
    for name in roles.extras:
        new = re.sub(r"[^a-z0-9_-]", "-", name.lower()).strip("-")
        if names.has_meaning(new) or not NAME.fullmatch(new):
            new = f"extra-{new}"[:31]
        while new in taken:
            new += "-"
        taken.add(new)
        yield name, new
