"""What each program is started with, in one word: ``supervisorctl update`` restarts it when that
changes, and leaves it alone otherwise.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from zopestack.features.memory import LOADER
from zopestack.model import Stack
from zopestack.render.own_programs import own_programs
from zopestack.render.program import Program
from zopestack.render.varnish import command


def digests(
    stack: Stack,
    parts: Mapping[str, Mapping[str, str]],
    distributions: Mapping[str, Sequence[str]],
    rendered: Mapping[Path, str],
    reached: Mapping[Path, str] = MappingProxyType({}),
) -> dict[str, str]:
    """By program, or by its part, a digest of what it is started with.

    For ZEO, the loader and each instance: the options of its part, the distributions it imports,
    every file that the part's recipe has made, its executable included, and certificates of ZEO.
    For the reload of
    HAProxy: the program and every file that HAProxy is given. For a program of the user's own: the
    files in the buildout's directory that its command names, except those in ``var``, which
    change while it runs. For Varnish: its command; for its reload: its rules. For the schedule:
    what is due when. For the metrics: where they are.

    :param rendered: HAProxy's files, and Varnish's.
    :param reached: what zope.conf includes.
    :raises OSError: where a file of a part cannot be read.
    """
    found = {
        part: _digest(
            *_pairs(parts[part]),
            *distributions.get(part, ()),
            *_contents(_files(stack, part)),
            *_contents(_certificates(stack)),
            *reached.values(),
        )
        for part in ("zeo", LOADER, *(instance.name for instance in stack.instances))
        if part in parts
    }
    for own in own_programs(stack, {}):
        found[own.name] = _digest(*_contents(_named(stack, own)))
    files = {str(path): text for path, text in rendered.items()}
    rules = {path: files.pop(path) for path in [str(stack.varnish_vcl)] if path in files}
    if stack.balances:
        found["haproxy-reload"] = _digest(str(stack.balancer.executable), *_pairs(files))
    if stack.varnish.in_front:
        found["varnish-reload"] = _digest(*_pairs(rules))
        # It reads the Stack when it starts, and its rules are reloaded.
        found["varnish"] = _digest(*command(stack))
    return {
        **found,
        # It reads the Stack when it starts.
        "schedule": _digest(repr(stack.backups)),
        "metrics": _digest(repr(stack.metrics)),
    }


def _pairs(options: Mapping[str, str]) -> Iterator[str]:
    for name, text in sorted(options.items()):
        yield from (name, text)


def _files(stack: Stack, part: str) -> Iterator[Path]:
    yield stack.bin / part
    yield from sorted((stack.parts / part).rglob("*"))


def _certificates(stack: Stack) -> Iterator[Path]:
    for path in stack.storage.tls_files:
        yield from sorted(path.iterdir()) if path.is_dir() else (path,)


def _named(stack: Stack, own: Program) -> Iterator[Path]:
    for word in shlex.split(own.command):
        path = Path(os.path.normpath(Path(own.directory) / word))
        if path.is_relative_to(stack.directory) and not path.is_relative_to(stack.var):
            yield path


def _contents(files: Iterator[Path]) -> Iterator[str]:
    for file in files:
        if file.is_file():
            yield str(file)
            yield file.read_text(encoding="utf-8", errors="surrogateescape")


def _digest(*words: str) -> str:
    whole = "\0".join(words).encode("utf-8", "surrogateescape")
    return hashlib.sha256(whole).hexdigest()[:16]
