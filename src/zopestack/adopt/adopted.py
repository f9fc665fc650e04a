"""What a buildout becomes: the sections of the new one, and what is said of the old."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata

from zopestack.adopt import backups, check, front, mounts, programs, recipes
from zopestack.adopt.instances import Instances, bases
from zopestack.adopt.notes import Fate, Note
from zopestack.adopt.original import Original, Unreadable, references
from zopestack.adopt.rest import Rest, Sections
from zopestack.adopt.roles import find
from zopestack.config.overrides import ALIASES, DERIVED
from zopestack.features.instances import COMMON
from zopestack.model import OPTIONS, SUPERVISOR_OPTIONS

#: The distribution that makes the parts, and its recipe.
NAME = "zopestack"

STACK, ZEO, SUPERVISOR = "stack", "zeo", "supervisor"

#: Options of [supervisor] that a stack reads.
READ = frozenset(SUPERVISOR_OPTIONS)

#: Options that only matter where others are.
COMPANIONS = {"groups": "programs", "plugins": "eventlisteners"}


class Adopted:
    """A buildout with a [stack] in place of its own parts for Zope, ZEO and what runs them.

    :raises Unreadable: where there is nothing to adopt.
    :ivar sections: all that is to be written, in this order.
    :ivar notes: what becomes of each thing that was there.
    """

    def __init__(self, original: Original) -> None:
        self._original = original
        self._roles = find(original)
        if STACK in original.names or not self._roles.balanced:
            why = f"no part with recipe = {recipes.INSTANCE}"
            why = "a section [stack]" if STACK in original.names else why
            raise Unreadable(f"{original.path} has {why}: there is nothing to adopt")
        # By part, what becomes of it and why.
        self._gone = dict(self._judged())
        self._instances = Instances(original, self._roles)
        self.notes = self._instances.notes
        self._names = dict(self._renames())
        own = {*self._roles.members, self._roles.zeo, self._roles.supervisor, *self._gone}
        own |= {self._instances.common, *mounts.sections(original)}
        stack = dict(self._stack())
        merged = {base for name in self._roles.members for base in bases(original, name)}
        rest = Rest(original, stack, own, merged, self.notes)
        for name, (fate, why) in self._gone.items():
            self.notes.append(Note(fate, original.place(name), why))
        self.sections: Sections = {
            name: {option: self._renamed(option, text) for option, text in section.items()}
            for name, section in {"buildout": {}, **stack, **rest.sections}.items()
        }
        self._pin()
        self._check_references({*original.names} - own)
        if why := check.objection(original, self.sections):
            why = f"bin/buildout would refuse the new one: {why}"
            self.notes.append(Note(Fate.MISSING, original.place("buildout", "parts"), why))

    def _pin(self) -> None:
        """Pin this version: without a pin, buildout asks an index for a newer one."""
        section = self._original.value("buildout", "versions") or "versions"
        if NAME not in self._original.options(section):
            self.sections.setdefault(section, {})[NAME] = metadata.version(NAME)

    def _judged(self) -> Iterator[tuple[str, tuple[Fate, str]]]:
        """The parts that do not stay, and why."""
        roles = self._roles
        for name in self._original.parts:
            known = name in (*roles.members, roles.zeo, roles.supervisor)
            if not known and self._original.recipe(name) != recipes.INSTANCE:
                judged = backups.judge(self._original, name)
                fate, why = judged or recipes.judge(self._original, name)
                if fate is not Fate.STAYS:
                    yield name, (fate, why)

    def _renames(self) -> Iterator[tuple[str, str]]:
        """Old and new name of each section that has another one now."""
        for old, new in self._instances.names.items():
            # References to [instance] find the section of all.
            if old != new and not old == COMMON == self._instances.common:
                yield old, new
        if self._roles.zeo not in ("", ZEO, *ALIASES):
            yield self._roles.zeo, ZEO

    def _stack(self) -> Iterator[tuple[str, dict[str, str]]]:
        """The sections of the stack."""
        found = front.options(self._original, self._roles, self._gone, self.notes)
        given = {**self._instances.stack, **dict(found)}
        yield (
            STACK,
            {"recipe": NAME} | {name: given[name] for name in OPTIONS if name in given},
        )
        yield from self._instances.sections.items()
        zeo = self._roles.zeo
        if zeo:
            yield self._names.get(zeo, zeo), dict(self._zeo(zeo))
        if left := self._programs():
            yield SUPERVISOR, left

    def _zeo(self, zeo: str) -> Iterator[tuple[str, str]]:
        new = self._names.get(zeo, zeo)
        why = f"[{new}], the database server"
        self.notes.append(Note(Fate.BECOMES, self._original.place(zeo), why))
        for option, text in self._original.options(zeo).items():
            if option not in DERIVED:
                yield option, text
            elif option != "recipe":
                place = self._original.place(zeo, option)
                self.notes.append(Note(Fate.GOES, place, DERIVED[option]))

    def _programs(self) -> dict[str, str]:
        """Options of [supervisor]: the programs that a stack does not run itself."""
        original, section = self._original, self._roles.supervisor
        known = {*self._roles.members, self._roles.zeo, *self._gone}
        left: dict[str, str] = {}
        for line in programs.lines(original, section):
            if why := programs.replaced(line, known):
                self.notes.append(Note(Fate.GOES, line.place, why, line.name))
            elif not line.text:
                why = "write it as a line of programs in [supervisor]"
                self.notes.append(Note(Fate.MISSING, line.place, why, line.name))
            elif line.option in READ:
                left[line.option] = left.get(line.option, "") + f"\n{line.text}"
            else:
                why = "run it under systemd or a supervisord of its own"
                self.notes.append(Note(Fate.MISSING, line.place, why, line.name))
        for option, text in original.options(section).items():
            if option in READ and COMPANIONS.get(option) in left:
                left[option] = text
            elif option not in (*programs.FORMS, "recipe"):
                why = "supervisord.conf follows from [stack], and supervisorctl finds it by itself"
                self.notes.append(Note(Fate.GOES, original.place(section, option), why))
        return left

    def _renamed(self, option: str, text: str) -> str:
        """A text with the new names of sections and of the scripts in bin."""
        if option == "<":
            # What instances have in common is written there; a part of one is no section.
            common = dict.fromkeys(self._roles.members, self._instances.common)
            bases = {**self._names, **common}
            return "\n".join(bases.get(each.strip(), each) for each in text.splitlines())
        names = "|".join(map(re.escape, self._names))
        if not names:
            return text
        text = re.sub(rf"\$\{{({names}):", lambda found: f"${{{self._names[found[1]]}:", text)
        script = rf"((?:bin-directory\}}|/bin)/)({names})(?![\w.-])"
        return re.sub(script, lambda found: found[1] + self._names[found[2]], text)

    def _check_references(self, old: set[str]) -> None:
        """Note what refers to a section that is gone.

        :param old: sections of the old buildout that may still be there.
        """
        there = {*old, *self.sections, *self._instances.names.values(), *ALIASES, ZEO, SUPERVISOR}
        for name, section in self.sections.items():
            for option, text in section.items():
                for other in dict.fromkeys(references(text)):
                    if other not in there:
                        place = self._original.place(name, option)
                        why = f"it refers to [{other}], which goes"
                        self.notes.append(Note(Fate.MISSING, place, why))
