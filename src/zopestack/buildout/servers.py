"""Whether the instances will get through to ZEO, asked before buildout uninstalls anything.

A server elsewhere is asked itself: where it does not answer, it may do so later, and that is a
warning. A server of this stack and its clients have the same certificate, so that both are tried
here.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping

from zopestack.buildout import handshake
from zopestack.buildout.handshake import Asked, Found
from zopestack.config.errors import error
from zopestack.model import Stack

logger = logging.getLogger(__name__)

#: Timeout in seconds: longer than a server that is slow takes.
PATIENCE = 120


def check(stack: Stack, locations: Iterable[str], name: str, given: Mapping[str, str]) -> None:
    """Check the way to ZEO, if there is one that can be wrong.

    :param locations: of the distributions that the instances import.
    :param name: of the section of the stack.
    :param given: its options.
    :raises UserError: where the server would refuse the instances, or they the server.
    """
    zeo = stack.storage
    if zeo.relational or (zeo.serves and not zeo.ssl):
        return
    asked = Asked(
        host=zeo.zeo_address.host,
        port=zeo.zeo_address.port,
        client=zeo.ssl_of_client,
        server=zeo.ssl if zeo.serves else {},
    )
    if not (found := _found(asked, locations)):
        return
    option = found["option"]
    if option:
        raise error(name, option, given.get(option, ""), found["why"])
    logger.warning("[%s] zeo-address: %s %s.", name, zeo.zeo_address, found["why"])


def _found(asked: Asked, locations: Iterable[str]) -> Found | None:
    done = subprocess.run(
        [sys.executable, "-m", handshake.__name__],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*locations, *sys.path])},
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    # A function of the user's may print something, too.
    found: Found | None = json.loads(done.stdout.splitlines()[-1])
    return found
