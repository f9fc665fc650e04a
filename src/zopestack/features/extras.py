"""The user's own lines for haproxy.cfg."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.parsers import optional_path

#: What begins a section of haproxy.cfg (its manual, "Configuration file format").
SECTIONS = re.compile(
    "(backend|cache|crt-store|defaults|fcgi-app|frontend|global|http-errors|listen|log-forward"
    r"|log-profile|mailers|peers|program|resolvers|ring|traces|userlist)(\s|$)"
)


@dataclass(frozen=True)
class Extra:
    """A file and its lines; none before the feature is resolved."""

    file: Path
    lines: tuple[str, ...] = ()


def _extra(text: str) -> Extra | None:
    file = optional_path(text)
    return Extra(file) if file else None


@feature
class Extras(Feature):
    """Lines for the inside of HAProxy's sections."""

    frontend_extra: Extra | None = option(
        _extra, "", "A file whose lines go into HAProxy's frontend, after zopestack's own rules."
    )
    backend_extra: Extra | None = option(
        _extra,
        "",
        "A file whose lines go into HAProxy's backend of the instances, and of each group of them.",
    )

    def resolved(self, base: Path) -> Self:
        """The same with the lines of the files.

        :raises Refused: where a file cannot be read, or begins a section.
        """
        found = super().resolved(base)
        return replace(
            found,
            **{name.replace("-", "_"): _with_lines(name, extra) for name, extra in found.all()},
        )

    def all(self) -> Iterator[tuple[str, Extra]]:
        """Option and file, for those that are set."""
        if self.frontend_extra:
            yield "frontend-extra", self.frontend_extra
        if self.backend_extra:
            yield "backend-extra", self.backend_extra


def _with_lines(name: str, extra: Extra) -> Extra:
    try:
        lines = extra.file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as why:
        raise Refused(name, f"a text file; {why}") from None
    for number, line in enumerate(lines, 1):
        if found := SECTIONS.match(line.strip()):
            raise Refused(
                name,
                f"lines for the inside of a section, but `{found[1]}` in line {number} begins "
                "another. Put it into your own haproxy.cfg.j2 (option templates)",
            )
    return replace(extra, lines=tuple(lines))
