"""Programs of a ``supervisord.conf`` that a part makes from a template, as lines of ``programs``.

Those lines have the form of collective.recipe.supervisor.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator

#: Options of supervisord that have a place of their own in a line (its manual, "[program:x]").
PLACED = ("command", "directory", "priority", "redirect_stderr", "user")

#: supervisord's own priority.
PRIORITY = "999"

#: What a line cannot hold: it separates by white space, and has brackets for its parts. What
#: supervisord expands leads elsewhere from another file.
UNFIT = re.compile(r"[\[\]()]|%\(")


def programs(text: str) -> Iterator[tuple[str, str]]:
    """The name of each program, and its line; an empty one where there is none for it.

    :param text: of the template; references are as they are written.
    :raises configparser.Error: where supervisord could not read it.
    """
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))
    parser.read_string(text)
    for section in parser.sections():
        kind, colon, name = section.partition(":")
        if kind == "program" and colon:
            yield name.strip(), _line(name.strip(), dict(parser[section]))


def _line(name: str, options: dict[str, str]) -> str:
    command, _, arguments = options.get("command", "").partition(" ")
    more = {option: text for option, text in options.items() if option not in PLACED}
    directory = options.get("directory", "")
    unfit = any(UNFIT.search(text) for text in options.values())
    if not command or unfit or re.search(r"\s", "".join((*more.values(), directory))):
        return ""
    redirect = "true" if options.get("redirect_stderr", "").lower() in ("true", "yes", "1") else ""
    user = options.get("user", "")
    words = (
        options.get("priority", PRIORITY),
        name,
        f"({' '.join(f'{option}={text}' for option, text in more.items())})" if more else "",
        command,
        f"[{arguments.strip()}]" if arguments.strip() else "",
        directory,
        # A user stands after it.
        redirect or ("false" if user else ""),
        user,
    )
    return " ".join(filter(None, words))
