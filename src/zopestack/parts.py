"""The buildout parts of a Stack: plain sections for the recipes that users know."""

from __future__ import annotations

from collections.abc import Mapping

from zopestack.model import Instance, Stack
from zopestack.settings import Section, overrides

#: Bytes of a log file before it is rotated, and how many old ones are kept.
LOG_BYTES = 10 * 1024 * 1024
LOG_FILES = 3

#: The recipe of the generated files and its part.
FILES = "stack-files"

#: The part that makes bin/supervisord and bin/supervisorctl.
SUPERVISOR = "supervisor"


def parts(stack: Stack, sections: Mapping[str, Section]) -> dict[str, dict[str, str]]:
    """Name and options of every part, in the order they are installed.

    :param sections: the user's own sections; their options win over those made here.
    """
    made = {
        FILES: {"recipe": "zopestack:files"},
        "zeo": {**_zeo(stack), **sections.get("zeo", {})},
        SUPERVISOR: {**_supervisor(stack), **sections.get(SUPERVISOR, {})},
    }
    for instance in stack.instances:
        own = overrides(instance.name, sections)
        made[instance.name] = {
            **_instance(stack, instance),
            **_access_log(own),
            **own,
            "threads": str(instance.threads),
        }
    return made


def distributions(made: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Every distribution the parts ask for, once: their recipes and their eggs."""
    asked = []
    for options in made.values():
        asked += [options["recipe"].partition(":")[0], *options.get("eggs", "").split()]
    return list(dict.fromkeys(asked))


def _instance(stack: Stack, instance: Instance) -> dict[str, str]:
    return {
        "recipe": "plone.recipe.zope2instance",
        "eggs": "\n".join((*stack.eggs, "zopestack")),
        # The first manager is made with the database; a name without a password keeps
        # the recipe from asking at the terminal and from writing a password.
        "user": f"{stack.user}:",
        "http-address": str(instance.address),
        "var": str(stack.var),
        "zeo-client": "on",
        "zeo-address": str(stack.zeo),
        "shared-blob": "on",
        "blob-storage": str(stack.blobs),
        # Nothing has used the temporary storage since Zope 4; without
        # Products.TemporaryFolder an instance does not start with it (FACTS).
        "zodb-temporary-storage": "off",
        **_rotated("event-log"),
    }


def _access_log(own: Section) -> dict[str, str]:
    """No access log in the instances: HAProxy sees every request and knows more of it.

    CPU of a light request without one over with one is 0.85 (0.78 to 0.99): the median of
    25 interleaved rounds with one client; again, 0.84 (0.71 to 0.96). A user who names a
    file gets it, rotated.
    """
    if own.get("access-log", "disable").strip().lower() == "disable":
        return {"access-log": "disable"}
    return _rotated("access-log")


def _rotated(log: str) -> dict[str, str]:
    return {
        f"{log}-handler": "logging.handlers.RotatingFileHandler",
        f"{log}-kwargs": f"{{'maxBytes': {LOG_BYTES}, 'backupCount': {LOG_FILES}}}",
    }


def _zeo(stack: Stack) -> dict[str, str]:
    return {
        "recipe": "plone.recipe.zeoserver",
        "eggs": "ZEO",
        "zeo-address": str(stack.zeo),
        "var": str(stack.var),
        "file-storage": str(stack.database),
        "blob-storage": str(stack.blobs),
        "zeo-log-max-size": str(LOG_BYTES),
        "zeo-log-old-files": str(LOG_FILES),
    }


def _supervisor(stack: Stack) -> dict[str, str]:
    return {
        "recipe": "zc.recipe.egg:scripts",
        "eggs": "supervisor\nzopestack",
        "scripts": "supervisord\nsupervisorctl",
        # Both take the configuration by default, and a -c typed by hand still wins.
        "initialization": f"sys.argv[1:1] = ['-c', {str(stack.supervisord_conf)!r}]",
    }
