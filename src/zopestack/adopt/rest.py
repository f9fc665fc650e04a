"""What a buildout has beside Zope, ZEO and what runs them: its other parts, and [buildout]."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from zopestack.adopt import programs, recipes
from zopestack.adopt.extends import EXTENDS, Extends
from zopestack.adopt.notes import Fate, Note
from zopestack.adopt.original import Original, reached, references
from zopestack.config.overrides import ALIASES, OVERRIDE
from zopestack.features.instances import NUMBERED
from zopestack.features.option import SUPERVISOR

#: A reference to an option of [buildout].
OF_BUILDOUT = re.compile(r"\$\{buildout:([^}]*)\}")

Sections = dict[str, dict[str, str]]


class Rest:
    """The sections that stay.

    :param stack: what is written for the stack itself.
    :param own: the old sections that this stands for, and the parts that do not stay.
    :param merged: sections whose options the instances have taken over.
    :ivar sections: those to write, [buildout] first.
    """

    def __init__(
        self,
        original: Original,
        stack: Sections,
        own: Collection[str],
        merged: Collection[str],
        notes: list[Note],
    ) -> None:
        self._original = original
        self._notes = notes
        named = original.value("buildout", "parts").split()
        self._parts = [*(name for name in named if name not in own)]
        changed = {name for name in original.names if _changes(original, name, own)}
        self._extends = Extends(original, changed)
        found = dict(self._staying(changed, merged))
        left = self._needed(found, stack)
        self.sections: Sections = {"buildout": dict(self._buildout({**stack, **left})), **left}

    def _staying(
        self, changed: Collection[str], merged: Collection[str]
    ) -> Iterator[tuple[str, dict[str, str]]]:
        """Each section that stays, with what no file says any more that is extended."""
        original = self._original
        needed = reached(original, self._parts)
        for name in original.names:
            if name == "buildout" or (name in changed and not self._unused(name, merged)):
                continue
            if original.recipe(name) and (name in changed or name not in needed):
                self._note(Fate.GOES, name, "it is not among the parts")
                continue
            if original.recipe(name) and OVERRIDE.fullmatch(ALIASES.get(name, name)):
                self._note(Fate.MISSING, name, "a stack has a part of this name: rename it")
            elif original.recipe(name):
                self._note(Fate.STAYS, name, "")
            written = {
                option: text
                for option, text in original.written(name).items()
                if not self._extends.keeps(name, option)
            }
            if written:
                yield name, written

    def _unused(self, name: str, merged: Collection[str]) -> bool:
        """Whether a section is an instance that nothing has to do with."""
        instance = self._original.recipe(name) == recipes.INSTANCE
        return instance and name not in merged and name not in self._original.parts

    def _needed(self, found: Sections, stack: Sections) -> Sections:
        """The same without sections that only what goes has referred to, such as its ports."""
        original = self._original
        before = reached(original, list(original.parts))
        left = dict(found)
        while True:
            texts = [t for section in (*stack.values(), *left.values()) for t in section.values()]
            taken = [section.get("<", "") for section in left.values()]
            needed = {*references("\n".join(texts)), *"\n".join(taken).split()}
            unused = {name for name in left if name in before and name not in needed}
            unused = {name for name in unused if not original.recipe(name)}
            if not unused:
                return left
            for name in unused:
                del left[name]
                self._note(Fate.GOES, name, "nothing refers to it any more")

    def _buildout(self, others: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
        original = self._original
        if entries := self._extends.entries():
            yield "extends", "".join(f"\n{entry}" for entry in entries)
        for file, place in self._extends.left():
            why = "what it says and what still counts is written in the new one"
            self._notes.append(Note(Fate.GOES, place, why, file))
        first = self._made_for_programs(others.get(SUPERVISOR, {}).get("programs", ""))
        later = [part for part in self._parts if part not in first]
        yield "parts", "".join(f"\n{part}" for part in (*first, "stack", *later))
        # Options that only what goes has referred to go with it.
        before = "\n".join(t for name in original.names for t in original.written(name).values())
        after = "\n".join(t for section in others.values() for t in section.values())
        gone = set(OF_BUILDOUT.findall(before)) - set(OF_BUILDOUT.findall(after))
        for option, text in original.written("buildout").items():
            left = option in ("parts", *EXTENDS, *gone)
            if not left and not self._extends.keeps("buildout", option):
                yield option, text

    def _made_for_programs(self, lines: str) -> list[str]:
        """The parts that make what supervisord runs.

        A stack restarts a program whose file has changed, so it has to be there before.
        """
        found = map(programs.PROGRAM.match, lines.splitlines())
        commands = {line["command"].rpartition("/")[2] for line in found if line}

        def makes(part: str) -> bool:
            scripts = self._original.value(part, "scripts").split()
            return not commands.isdisjoint((part, *(each.rpartition("=")[2] for each in scripts)))

        return [part for part in self._parts if makes(part)]

    def _note(self, fate: Fate, name: str, why: str) -> None:
        self._notes.append(Note(fate, self._original.place(name), why))


def _changes(original: Original, name: str, own: Collection[str]) -> bool:
    """Whether a section cannot stay as it is."""
    instance = original.recipe(name) == recipes.INSTANCE
    return name in own or instance or bool(NUMBERED.fullmatch(name))
