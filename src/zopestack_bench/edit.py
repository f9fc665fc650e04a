"""Set options in a buildout file and leave everything else in it as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from zc.buildout import configparser

from zopestack import files

Sections = Mapping[str, Mapping[str, str]]


class CannotEdit(Exception):
    """The file is not what it should be; the message says how."""


def read(path: Path) -> tuple[str, Sections]:
    """The text of a buildout file, and the sections of the files it extends.

    :raises CannotEdit: where one of them cannot be read.
    """
    try:
        # Line ends stay as they are.
        with open(path, encoding="utf-8", newline="") as file:
            return file.read(), _extended(path)
    except (OSError, UnicodeDecodeError, configparser.Error) as why:
        raise CannotEdit(f"{path}: {why}") from None


def write(path: Path, options: Mapping[str, str]) -> None:
    """Put options of the stack into a buildout file in one step.

    A link stays a link; the file it leads to is changed.

    :raises CannotEdit: where the file has no place for them.
    """
    text = set_options(*read(path), options)
    target = path.resolve()
    files.write(target, text, target.stat().st_mode & 0o777)


def set_options(text: str, extended: Sections, options: Mapping[str, str]) -> str:
    """The text of a buildout file with these options of its zopestack section.

    Comments, order, spacing and line ends stay; an option that is not there is added at
    the end of the section, which wins over the files it extends.

    :param extended: the sections of these.
    :raises CannotEdit: where there is no such section, an option has no plain value, or an
        instance's own section sets it and would win.
    """
    lines = text.splitlines(keepends=True)
    name = _section_name(lines, extended)
    _check_overrides(lines, extended, options)
    if name not in dict.fromkeys(section for _, section in _sections(lines)):
        end = _line_end(lines)
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += end
        lines += [end, f"[{name}]{end}"]
    for option, value in options.items():
        _set(lines, name, option, value)
    return "".join(lines)


def _set(lines: list[str], section: str, option: str, value: str) -> None:
    inside = [number for number, name in _sections(lines) if name == section]
    _check_plain(lines, section, option)
    starts = [n for n in inside if re.match(rf"{re.escape(option)}\s*=", lines[n])]
    if not starts:
        # A comment at the end of a section is about the next one.
        last = max(number for number in inside if lines[number].strip()[:1] not in ("", "#", ";"))
        end = _line_end(lines)
        if not lines[last].endswith("\n"):
            lines[last] += end
        lines.insert(last + 1, f"{option} = {value}{end}")
        return
    # Of several, the last one counts.
    start = starts[-1]
    if re.match(r"[^=]*=\s*$", lines[start]):
        for number in _continued(lines, start):
            lines[number] = re.sub(r"\S+", lambda _: value, lines[number], count=1)
            return
        lines[start] = re.sub(r"=[ \t]*", lambda _: f"= {value}", lines[start], count=1)
        return
    lines[start] = re.sub(r"(=[ \t]*)\S+", lambda m: f"{m[1]}{value}", lines[start], count=1)


def _check_plain(lines: list[str], section: str, option: str) -> None:
    """Whether the option, where it is set, has one value that can be replaced."""
    for number, name in _sections(lines):
        line = lines[number]
        if name is None or name.partition(":")[0] != section:
            continue
        if re.match(rf"{re.escape(option)}\s*[-+]\s*=", line):
            raise CannotEdit(f"[{section}] {line.strip()} adds to what another file has; use =")
        if not re.match(rf"{re.escape(option)}\s*=", line):
            continue
        if ":" in name:
            raise CannotEdit(f"[{name}] {line.strip()} counts under a condition; delete it first")
        whole = [line.partition("=")[2], *(lines[n] for n in _continued(lines, number))]
        words = " ".join(whole).split()
        if len(words) > 1:
            raise CannotEdit(
                f"[{section}] {option} = {' '.join(words)} is more than one word. What stands "
                "behind a value belongs to it; put a comment on a line of its own"
            )
        if "${" in "".join(words):
            raise CannotEdit(
                f"[{section}] {option} = {words[0]} is taken from elsewhere; put a value there"
            )


def _continued(lines: list[str], start: int) -> Iterator[int]:
    """The lines that go on with the value of the option of a line."""
    for number in range(start + 1, len(lines)):
        line = lines[number]
        if line[0] in "#;" or not line.strip():
            continue
        if not line[0].isspace():
            return
        yield number


def _section_name(lines: list[str], extended: Sections) -> str:
    """The section of the stack; where others take it over by ``<=``, that one."""
    own = [
        name
        for number, name in _sections(lines)
        if name and re.match(r"recipe\s*=\s*zopestack\s*$", lines[number])
    ]
    own += [name for name, options in extended.items() if options.get("recipe") == "zopestack"]
    if not own:
        raise CannotEdit("there is no section with recipe = zopestack in it")
    for number, name in _sections(lines):
        taken = re.match(r"<\s*=(.*)", lines[number])
        if name and taken and own[0] in taken[1].split():
            return name
    return own[0]


def _check_overrides(lines: list[str], extended: Sections, options: Iterable[str]) -> None:
    set_here = (
        (name, lines[number].partition("=")[0].strip(" \t+-"), lines[number].strip())
        for number, name in _sections(lines)
        if name
    )
    set_there = (
        (name, option, f"{option} = {value}, in a file this one extends,")
        for name, section in extended.items()
        for option, value in section.items()
    )
    for name, option, shown in (*set_here, *set_there):
        if re.fullmatch(r"instance\d*", name) and option in options:
            raise CannotEdit(
                f"[{name}] {shown} wins over the same option of the stack; delete it first"
            )


def _sections(lines: list[str]) -> Iterator[tuple[int, str | None]]:
    """The number of each line and the section it is in, its header included; one with a
    condition (buildout's documentation, "Conditional sections") is ``name:condition``."""
    name = None
    for number, line in enumerate(lines):
        header = re.match(r"\[\s*([^\s\]:]+)\s*(:[^#;]*)?\]", line)
        if header:
            name = f"{header[1]}{header[2] or ''}"
        yield number, name


def _line_end(lines: list[str]) -> str:
    return "\r\n" if lines and lines[0].endswith("\r\n") else "\n"


def _extended(path: Path) -> dict[str, dict[str, str]]:
    """The sections of the files that a buildout file extends, as far as they are on this
    machine; a later one wins, and each wins over what it extends itself."""
    with open(path, encoding="utf-8") as file:
        buildout = configparser.parse(file, str(path)).get("buildout", {})
    found: dict[str, dict[str, str]] = {}
    names = f"{buildout.get('extends', '')} {buildout.get('optional-extends', '')}".split()
    for other in (path.resolve().parent / name for name in names if "://" not in name):
        if not other.exists():
            continue
        with open(other, encoding="utf-8") as file:
            own = configparser.parse(file, str(other))
        for sections in (_extended(other), own):
            for name, options in sections.items():
                found.setdefault(name, {}).update(options)
    return found
