"""Set options in a buildout file and leave everything else in it as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping


class CannotEdit(Exception):
    """The file is not what it should be; the message says how."""


def set_options(text: str, options: Mapping[str, str]) -> str:
    """The text of a buildout file with these options of its zopestack section.

    Comments, order, spacing and line ends stay; an option that is not there is added at
    the end of the section.

    :raises CannotEdit: where there is no such section, or an instance's own section sets
        one of the options and would win.
    """
    lines = text.splitlines(keepends=True)
    name = _section_name(lines)
    _check_overrides(lines, options)
    for option, value in options.items():
        _set(lines, name, option, value)
    return "".join(lines)


def _set(lines: list[str], section: str, option: str, value: str) -> None:
    inside = [number for number, name in _sections(lines) if name == section]
    for number in inside:
        found = re.match(rf"({re.escape(option)}[ \t]*=[ \t]*)(\S*)(.*)", lines[number], re.DOTALL)
        if found:
            # What follows the value is a comment, or the end of the line.
            lines[number] = f"{found[1]}{value}{found[3]}"
            return
    # A comment at the end of a section is about the next one.
    last = max(number for number in inside if lines[number].strip()[:1] not in ("", "#", ";"))
    end = re.search(r"\r?\n$", lines[last])
    if not end:
        lines[last] += "\n"
    lines.insert(last + 1, f"{option} = {value}{end[0] if end else chr(10)}")


def _section_name(lines: list[str]) -> str:
    for number, name in _sections(lines):
        if name and re.match(r"recipe[ \t]*=[ \t]*zopestack[ \t]*(;.*)?$", lines[number].rstrip()):
            return name
    raise CannotEdit("there is no section with recipe = zopestack in it")


def _check_overrides(lines: list[str], options: Mapping[str, str]) -> None:
    for number, name in _sections(lines):
        option = lines[number].partition("=")[0].strip()
        if name and re.fullmatch(r"instance\d*", name) and option in options:
            raise CannotEdit(
                f"[{name}] {lines[number].strip()} wins over the same option of the stack; "
                "delete it first"
            )


def _sections(lines: list[str]) -> Iterator[tuple[int, str | None]]:
    """The number of each line and the section it is in, its header included."""
    name = None
    for number, line in enumerate(lines):
        header = re.match(r"\[\s*([^\]:]+?)\s*(:[^\]]*)?\]", line)
        if header:
            name = header[1]
        yield number, name
