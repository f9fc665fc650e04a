"""The agent's own threads. What breaks in one is logged, and the instance's health tells it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger("zopestack.agent")

#: Why a thread has ended, by its name.
failed: dict[str, str] = {}


def start(name: str, run: Callable[[], object]) -> None:
    """Run a function in a thread of its own, which does not keep the process alive."""

    def guarded() -> None:
        try:
            run()
        except Exception as why:
            failed[name] = f"{name} failed: {type(why).__name__}: {why}"
            logger.exception("the agent's thread %r has failed", name)

    threading.Thread(target=guarded, name=name, daemon=True).start()
