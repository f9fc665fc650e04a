"""Which import has started a thread, so that the message about it names the package.

A library in C starts threads that have no name in Python, such as one for linear algebra.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any


class Imports:
    """Watches imports in the block.

    :ivar started: the modules during whose own import a thread was started.
    """

    def __init__(self) -> None:
        self.started: list[str] = []
        self._known = tasks()

    def __enter__(self) -> Imports:
        sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module as the other finders do, and count threads when it has been executed."""
        others = (each for each in sys.meta_path if each is not self)
        found = (each.find_spec(name, path, target) for each in others)
        spec = next(filter(None, found), None)
        # Others are classes, and shared by all their modules.
        if spec and isinstance(spec.loader, (SourceFileLoader, ExtensionFileLoader)):
            # A library in C starts its threads when it is loaded, before it is executed.
            for step in ("create_module", "exec_module"):
                setattr(spec.loader, step, self._counted(getattr(spec.loader, step), name))
        return spec

    def _counted(self, step: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
        def counted(given: Any) -> Any:
            result = step(given)
            # What a module imports in its turn has been counted before.
            if (now := tasks()) > self._known:
                self._known = now
                self.started.append(name)
            return result

        return counted


def tasks() -> int:
    """Threads of this process, those that Python does not know included (proc(5), ``task``)."""
    return Path("/proc/self/task").stat().st_nlink - 2
