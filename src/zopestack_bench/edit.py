"""Put options into a buildout file as a block of their own, and leave every other line as it is.

Buildout merges sections of one name, and the last value of an option wins. So the block stands at
the end of the file, wins over what is above it, and is undone by deleting it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from zc.buildout import configparser

from zopestack import files
from zopestack.adopt.original import Original, Unreadable
from zopestack_bench import Broken

#: The lines around the block.
BEGIN = "# Found by scripts/tune: these values win over those above. Delete the block to undo it."
END = "# End of the block of scripts/tune."


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
        own = configparser.parse(io.StringIO(text), str(path))
        name = _stack(Original(path.resolve()), own, options)
    except (OSError, UnicodeDecodeError, configparser.Error, Unreadable, ValueError) as why:
        raise Broken(f"{path} cannot be changed: {why}") from None
    end = "\r\n" if "\r\n" in text else "\n"
    earlier = re.search(rf"{re.escape(BEGIN)}(.*){re.escape(END)}", text, re.DOTALL)
    if earlier:
        text = text.replace(earlier[0], "")
        options = {**dict(re.findall(r"^(\S+) = (\S+)", earlier[1], re.MULTILINE)), **options}
    lines = (f"{option} = {value}" for option, value in options.items())
    return end.join((text.rstrip(), "", BEGIN, f"[{name}]", *lines, END, ""))


def _stack(original: Original, own: Mapping[str, Mapping[str, str]], wanted: Iterable[str]) -> str:
    """The section of the stack; where another one takes it over with ``<=``, that one.

    :param own: what the file itself says.
    :param wanted: the options that the block will have.
    :raises ValueError: where there is none, or another line would win over the block, or add to it.
    """
    found = [name for name in original.names if original.recipe(name) == "zopestack"]
    taken = {base for name in found for base in original.bases(name)}
    stack = next((name for name in found if name not in taken), "")
    if not stack:
        raise ValueError("no section has recipe = zopestack")
    for option in wanted:
        for name in original.names:
            if re.fullmatch(r"instance\d*", name) and option in original.options(name):
                line = original.place(name, option)
                raise ValueError(f"{line} wins over the same option of the stack; delete it first")
        for key, value in own.get(stack, {}).items():
            if key in (f"{option} +", f"{option} -"):
                raise ValueError(f"[{stack}] {key}= {value} adds to what another file has; use =")
    return stack
