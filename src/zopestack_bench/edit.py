"""Put options into a buildout file as a block of their own, and leave every other line as it is.

Buildout merges sections of one name, and the last value of an option wins. So the block stands at
the end of the file, wins over what is above it, and is undone by deleting it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

from zc.buildout import configparser

from zopestack import files
from zopestack_bench import Broken

#: The lines around the block.
BEGIN = "# Found by scripts/tune: these values win over those above. Delete the block to undo it."
END = "# End of the block of scripts/tune."

Sections = Mapping[str, Mapping[str, str]]


def write(path: Path, options: Mapping[str, str]) -> None:
    """Put options of the stack into a buildout file in one step, in place of an earlier block.

    A link stays a link; the file it leads to is changed.

    :raises Broken: where the file has no stack, or the options would not win.
    """
    text = changed(path, options)
    target = path.resolve()
    files.write(target, text, target.stat().st_mode & 0o777)


def changed(path: Path, options: Mapping[str, str]) -> str:
    """The text of a buildout file with the block in it.

    :raises Broken: as :func:`write`.
    """
    try:
        # Line ends stay as they are.
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
        here, there = _parsed(text, path), _extended(path)
    except (OSError, UnicodeDecodeError, configparser.Error) as why:
        raise Broken(f"{path} cannot be changed: {why}") from None
    name = _stack(here) or _stack(there)
    if not name:
        raise Broken(f"{path} cannot be changed: no section has recipe = zopestack")
    _check(path, name, here, "", options)
    _check(path, name, there, ", in a file it extends,", options)
    end = "\r\n" if "\r\n" in text else "\n"
    earlier = re.search(rf"{re.escape(BEGIN)}(.*){re.escape(END)}", text, re.DOTALL)
    if earlier:
        text = text.replace(earlier[0], "")
        options = {**dict(re.findall(r"^(\S+) = (\S+)", earlier[1], re.MULTILINE)), **options}
    lines = (f"{option} = {value}" for option, value in options.items())
    return end.join((text.rstrip(), "", BEGIN, f"[{name}]", *lines, END, ""))


def _stack(sections: Sections) -> str:
    """The section of the stack; where another one takes it over with ``<=``, that one."""
    own = [name for name, options in sections.items() if options.get("recipe") == "zopestack"]
    takers = [
        name for name, options in sections.items() if {*own} & {*options.get("<", "").split()}
    ]
    return (takers or own or [""])[0]


def _check(
    path: Path, stack: str, sections: Sections, where: str, options: Mapping[str, str]
) -> None:
    """Whether no other line would win over the block, or add to it."""
    for name, section in sections.items():
        for key, value in section.items():
            option, _, sign = key.partition(" ")
            line = f"{path} cannot be changed: [{name}] {option} {sign}= {value}{where}"
            if option not in options:
                continue
            if re.fullmatch(r"instance\d*", name):
                raise Broken(f"{line} wins over the same option of the stack; delete it first")
            if name == stack and sign and not where:
                raise Broken(f"{line} adds to what another file has; use =")


def _parsed(text: str, path: Path) -> dict[str, dict[str, str]]:
    parsed: dict[str, dict[str, str]] = configparser.parse(io.StringIO(text), str(path))
    return parsed


def _extended(path: Path) -> dict[str, dict[str, str]]:
    """The sections of the files that a buildout file extends, as far as they are on this machine;
    a later one wins, and each wins over what it extends itself."""
    buildout = _parsed(path.read_text(encoding="utf-8"), path).get("buildout", {})
    names = f"{buildout.get('extends', '')} {buildout.get('optional-extends', '')}".split()
    found: dict[str, dict[str, str]] = {}
    for other in (path.resolve().parent / name for name in names if "://" not in name):
        if other.exists():
            for sections in (_extended(other), _parsed(other.read_text(encoding="utf-8"), other)):
                for name, options in sections.items():
                    found.setdefault(name, {}).update(options)
    return found
