"""Stacks for tests, made as a user makes them: from the texts of a [stack] section."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from zopestack.config.read import Buildout, Configuration
from zopestack.config.read import read as configuration
from zopestack.model import Stack

CHECKOUT = Path(__file__).parents[2]

TEMPLATES = CHECKOUT / "templates"

#: What the oldest HAProxy anyone still finds somewhere says to ``-v``.
OLD_HAPROXY = "HA-Proxy version 1.8.19-1+deb10u3 2020/08/01"


def directories(home: Path) -> Buildout:
    """Those of a buildout in ``home``."""
    return Buildout(directory=home, bin=home / "bin", parts=home / "parts")


def described(
    home: Path,
    options: Mapping[str, str] | None = None,
    sections: Mapping[str, Mapping[str, str]] | None = None,
) -> Configuration:
    """What a buildout in ``home`` with these options of [stack] describes."""
    return configuration("stack", options or {}, sections or {}, directories(home))


def read(
    home: Path,
    options: Mapping[str, str] | None = None,
    sections: Mapping[str, Mapping[str, str]] | None = None,
) -> Stack:
    """The Stack of a buildout in ``home`` with these options of [stack]."""
    return described(home, options, sections).stack


def buildout_cfg(
    options: Mapping[str, str], sections: Mapping[str, Mapping[str, str]] | None = None
) -> str:
    """A whole buildout.cfg; a value of several lines is indented as buildout wants it."""
    texts = ["[buildout]\nparts = stack\n"]
    for name, section in {"stack": {"recipe": "zopestack", **options}, **(sections or {})}.items():
        lines = [f"{option} = {value}".replace("\n", "\n    ") for option, value in section.items()]
        texts.append("\n".join((f"[{name}]", *lines, "")))
    return "\n".join(texts)


def program(path: Path, says: str) -> Path:
    """A program that prints one line and does nothing else."""
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def template(home: Path, directory: str, name: str, old: str, new: str) -> None:
    """A user's own template in ``home/directory``: the packaged one with one change."""
    (home / directory).mkdir(exist_ok=True)
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} is not in {name} once"
    (home / directory / name).write_text(text.replace(old, new), encoding="utf-8")


def furnish(home: Path) -> None:
    """What the bad input in ``bad_input`` refers to."""
    program(home / "old-haproxy", OLD_HAPROXY)
    program(home / "not-haproxy", "hello")
    (home / "plain-file").write_text("")
    (home / "not-a-program").write_text("HAProxy version 2.8.0 2023/05/31\n")
    last = "stats hide-version\n"
    template(home, "syntax", "haproxy.cfg.j2", last, f"{last}{{% for %}}\n")
    template(home, "unknown", "haproxy.cfg.j2", last, f"{last}{{{{ stack.instnaces }}}}\n")
    template(home, "digest", "supervisord.conf.j2", "{{ program.digest }}", "{{ program.digset }}")
    template(home, "refused", "haproxy.cfg.j2", "mode http\n", "mode gopher\n")
