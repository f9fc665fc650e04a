"""The user's ``[instance]``, ``[instanceN]``, ``[zeo]`` and ``[supervisor]``.

Their options are added to those of the parts made here; a few are read here, because they
are part of the Stack.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from zc.buildout import UserError

from zopestack import values
from zopestack.complaints import error, setting
from zopestack.model import Instance, Stack

logger = logging.getLogger(__name__)

Section = Mapping[str, str]

#: Sections whose options are added to those of a part made here.
OVERRIDE = re.compile(r"instance\d*|zeo|supervisor")

#: Those of one instance.
ONE_INSTANCE = re.compile(r"instance\d+")

#: Options of [stack] that an instance may have a value of its own for, under the same name.
OF_AN_INSTANCE: dict[str, Callable[[str], Any]] = {
    "threads": values.threads,
    "switch-interval": values.switch_interval,
}

#: Options that follow from the Stack, and what to do instead.
DERIVED = {
    "blob-storage": "change [stack] var",
    "control-script": "delete this line: supervisord starts bin/instanceN",
    "file-storage": "change [stack] var",
    "http-address": "change [stack] base-port",
    "recipe": "delete this line: zopestack makes this part",
    "shared-blob": "delete this line: instances share ZEO's blob directory",
    "user": "change [stack] user",
    "var": "change [stack] var",
    "zeo-address": "change [stack] zeo-address",
    "zeo-client": "delete this line: every instance is a client of ZEO",
    "zserver-threads": "call it threads, its name since Zope 4",
}

#: Past this many, threads of one process spend their time on the interpreter lock
#: (FACTS, "The claim the project starts from").
RECOMMENDED_THREADS = 2


def overrides(instance: str, sections: Mapping[str, Section]) -> dict[str, str]:
    """What a user sets for one instance: ``[instance]``, then ``[instanceN]`` over it."""
    return {**sections.get("instance", {}), **sections.get(instance, {})}


def apply(stack: Stack, sections: Mapping[str, Section]) -> Stack:
    """The Stack with what the sections say of its instances.

    :raises UserError: on the first section or option that cannot be.
    """
    _check(stack, sections)
    _check_eggs(sections)
    instances = tuple(_apply(instance, sections) for instance in stack.instances)
    for instance in instances:
        _warn_threads(instance)
    _warn_check_interval(sections)
    return replace(stack, instances=instances)


def _check(stack: Stack, sections: Mapping[str, Section]) -> None:
    names = [instance.name for instance in stack.instances]
    for section, options in sections.items():
        if ONE_INSTANCE.fullmatch(section) and section not in names:
            raise UserError(
                f"[{section}]: there is no such instance; instances = {len(names)} makes "
                f"{names[0]} to {names[-1]}. Delete the section or raise instances."
            )
        for option in options:
            if option in DERIVED:
                raise UserError(
                    f"{setting(section, option, options[option])}\n"
                    f"  follows from [stack] and cannot be set here; {DERIVED[option]}."
                )


def _check_eggs(sections: Mapping[str, Section]) -> None:
    for section, options in sections.items():
        for line in options.get("eggs", "").splitlines():
            try:
                values.requirement(line.strip() or "Zope")
            except ValueError as remedy:
                raise error(section, "eggs", options["eggs"], f"{remedy}, one a line") from None


def _apply(instance: Instance, sections: Mapping[str, Section]) -> Instance:
    own = overrides(instance.name, sections)
    changed = {}
    for option, parse in OF_AN_INSTANCE.items():
        if option not in own:
            continue
        try:
            changed[option.replace("-", "_")] = parse(own[option].strip())
        except ValueError as remedy:
            section = instance.name if option in sections.get(instance.name, {}) else "instance"
            raise error(section, option, own[option], remedy) from None
    return replace(instance, **changed)


def _warn_threads(instance: Instance) -> None:
    if instance.threads > RECOMMENDED_THREADS:
        logger.warning(
            "%s has %d threads: more than %d fight for one interpreter lock and slow "
            "each other down; more instances are faster.",
            instance.name,
            instance.threads,
            RECOMMENDED_THREADS,
        )


def _warn_check_interval(sections: Mapping[str, Section]) -> None:
    for section, options in sections.items():
        if "python-check-interval" in options:
            logger.warning(
                "[%s] python-check-interval: nothing has read it since Python 3.2. Its successor "
                "is switch-interval, in [stack] or in this section; scripts/tune measures it.",
                section,
            )
