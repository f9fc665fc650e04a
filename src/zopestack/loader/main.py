"""The program ``loader``: Zope, loaded once, waits to be forked for each instance.

    interpreter -m zopestack.loader.main SOCKET LINK ZOPE_CONF WSGI_INI

supervisord runs it beside the instances. While it waits it has no database open and serves nobody.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from zopestack.agent.configuration import Configuration
from zopestack.loader import child, code, environment, holes, immortal, load, prefetch
from zopestack.loader.ending import Ending
from zopestack.loader.forks import Forks, Request, tell
from zopestack.loader.imports import Imports

logger = logging.getLogger("zopestack.loader")


def main(path: str, link: str, zope_conf: str, wsgi_ini: str) -> int:
    """Load Zope and wait; the exit status, of the loader or of a fork.

    :param path: of its socket.
    :param link: where clients look for the loader that gives forks: a link to its socket.

    Where Zope cannot be forked, it becomes ``cat``: an end would have supervisord load it again.
    """
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s"
    )
    ending = Ending()
    ending.install()
    forks = Forks(Path(path), Path(link))
    forks.bind()
    code.forget(path)
    try:
        places = code.before(zope_conf)
        loaded = prepare(zope_conf, wsgi_ini, forks.socket.fileno())
        code.note(path, places)
        # Not before: code that is being imported may catch what this raises.
        signal.signal(signal.SIGTERM, _stop)
        request = forks.serve()
    except load.NotForkable as why:
        logger.error("instances start alone: %s", why)
        forks.refuse(str(why))
        os.execvp("cat", ["cat"])
    except BaseException:
        forks.leave()
        raise
    return run(request, loaded, ending)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(0)


def prepare(zope_conf: str, wsgi_ini: str, own: int) -> child.Loaded:
    """Load Zope until it may be forked.

    :param own: the descriptor of the loader's socket.
    :raises NotForkable: where it must not be.
    """
    began = time.monotonic()
    with Imports() as imports:
        application = load.load(zope_conf, wsgi_ini)
        # zope.conf has set the agent's environment.
        given = Configuration.read(os.environ)
        host = f"{given.http_host}:{given.http_port}"
        warmed = load.warm(application, given.warm_up[:1], host)
        # A fork fetches the first page itself.
        objects = prefetch.loaded()
        warmed += load.warm(application, given.warm_up[1:], host)
    load.close()
    load.check(own, imports.started)
    found = [each for each in gc.get_objects() if issubclass(type(each), random.Random)]
    immortals, filled = immortal.immortalize(), holes.fill()
    gc.freeze()
    # A collection would write to what is shared.
    gc.disable()
    logger.info(
        "ready to be forked after %.1f s: %d immortal objects, %.1f MB of holes filled",
        time.monotonic() - began,
        immortals,
        filled / (1 << 20),
    )
    return child.Loaded(found, warmed, objects)


def run(request: Request, loaded: child.Loaded, ending: Ending) -> int:
    """Be the instance; the exit status, which the client hears where the loader has gone."""
    status = 1
    try:
        child.become(request, loaded)
        status = child.serve(request, loaded)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        tell(request.told, "fork", status)
        ending.status = status
    return status


if __name__ == "__main__":
    environment.settle(sys.argv[3])
    sys.exit(main(*sys.argv[1:]))
