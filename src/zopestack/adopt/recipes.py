"""What becomes of a part, by its recipe or by the file that it makes.

The one list of what others' recipes are for. A part that is not concerned stays as it is.
"""

from __future__ import annotations

import re

from zopestack.adopt.notes import Fate
from zopestack.adopt.original import Original
from zopestack.model import OPTIONS

INSTANCE = "plone.recipe.zope2instance"
ZEO = ("plone.recipe.zeoserver", "plone.recipe.zope2zeoserver")
SUPERVISOR = "collective.recipe.supervisor"
FILESTORAGE = "collective.recipe.filestorage"

#: Recipes of programs that a stack has, and what it has instead.
INSTEAD = {
    "plone.recipe.haproxy": "HAProxy is that of the machine; option haproxy names another",
    "plone.recipe.pound": "HAProxy balances",
    "collective.recipe.zope2cluster": "the instances are derived from instances = N",
    "iw.recipe.pound": "HAProxy balances",
}

BACKUP = "collective.recipe.backup"
CRON = "z3c.recipe.usercrontab"

#: Recipes whose work an option of [stack] does, where there is such an option.
BY_OPTION = {BACKUP: "backup"}

#: Recipes of what a stack cannot have.
WITHOUT_EQUIVALENT = {
    "zc.zodbrecipes": "the database server is made by plone.recipe.zeoserver; write what its "
    "zeo.conf holds as options of [zeo]",
}

#: Files that a part may make from a template, or programs that it may build: by a word in their
#: name, what a stack has instead.
MADE = {
    "haproxy": "haproxy.cfg follows from [stack]",
    "logrotate": "logs are rotated; options log-size and log-files",
    "pound": "HAProxy balances",
    "supervisord": "supervisord.conf follows from [stack]",
}

#: Options of recipes that name what they make, or what they make it from.
MAKES = ("output", "url", "target-file", "destination")
FROM = ("input", "source", "template", "config")

#: What balances, or asks what balances: its text says which instances are for visitors.
BALANCERS = re.compile(r"haproxy|varnish|nginx|pound|apache")


def judge(original: Original, name: str) -> tuple[Fate, str]:
    """What becomes of a part that is not made for Zope, ZEO or supervisord, and why."""
    recipe = original.recipe(name)
    option = BY_OPTION.get(recipe, "")
    if option in OPTIONS:
        return Fate.MISSING, f"option {option} of [stack] does this: set it"
    if recipe == FILESTORAGE:
        return Fate.BECOMES, "databases in [stack]"
    if recipe in WITHOUT_EQUIVALENT:
        return Fate.MISSING, WITHOUT_EQUIVALENT[recipe]
    if recipe in INSTEAD:
        return Fate.GOES, INSTEAD[recipe]
    eggs = original.value(name, "eggs").split()
    if recipe == "zc.recipe.egg" and "supervisor" in eggs:
        return Fate.GOES, "the stack makes bin/supervisord and bin/supervisorctl"
    word = made(original, name)
    return (Fate.GOES, MADE[word]) if word else (Fate.STAYS, "")


def made(original: Original, name: str) -> str:
    """The word of :data:`MADE` for what a part makes that a stack has; empty for anything else."""
    files = " ".join(_last(original.value(name, option)) for option in MAKES)
    return next((word for word in MADE if word in files), "")


def balances(original: Original, name: str) -> bool:
    """Whether a part has to do with a program in front of the instances."""
    named = (_last(original.value(name, option)) for option in (*MAKES, *FROM))
    return bool(BALANCERS.search(" ".join((original.recipe(name), *named))))


def text(original: Original, name: str) -> str:
    """All that a part says: its options, and the template that it is made from.

    References are as they are written.
    """
    return "\n".join((*original.options(name).values(), template(original, name)))


def template(original: Original, name: str) -> str:
    """The text of the files that a part makes something from."""
    paths = (
        original.directory / original.value(name, option).partition("\n")[0] for option in FROM
    )
    return "\n".join(
        path.read_text(encoding="utf-8", errors="replace") for path in paths if path.is_file()
    )


def _last(path: str) -> str:
    """The last name of a path or of a URL."""
    return path.strip().rstrip("/").rpartition("/")[2].lower()
