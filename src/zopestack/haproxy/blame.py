"""Which file a line that HAProxy refuses comes from: one of the user's own, or a template."""

from __future__ import annotations

import re

from zopestack.features.extras import Extras

#: How HAProxy names a line of its file.
PLACE = re.compile(r"[^\s\[]*haproxy\.cfg:(\d+)")


def blame(extras: Extras, haproxy_cfg: str, said: str) -> tuple[str, str]:
    """HAProxy's words with the user's own file and line for those of haproxy.cfg, and the
    option that names the first such file; empty where there is none.
    """
    origins = _origins(extras, haproxy_cfg)
    blamed: list[str] = []

    def place(found: re.Match[str]) -> str:
        if (number := int(found[1])) not in origins:
            return found[0]
        option, file_and_line = origins[number]
        blamed.append(option)
        return file_and_line

    return PLACE.sub(place, said), next(iter(blamed), "")


def _origins(extras: Extras, haproxy_cfg: str) -> dict[int, tuple[str, str]]:
    """By line of haproxy.cfg, the option and the place in its file; each backend of instances has a
    copy of the lines of backend-extra.
    """
    rendered = [line.strip() for line in haproxy_cfg.splitlines()]
    found = {}
    for option, extra in extras.all():
        lines = [line.strip() for line in extra.lines]
        for first in range(len(rendered) - len(lines) + 1):
            if lines and rendered[first : first + len(lines)] == lines:
                for offset in range(len(lines)):
                    place = f"{extra.file}, line {offset + 1}"
                    found[first + offset + 1] = (option, place)
    return found
