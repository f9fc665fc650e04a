"""What ``discover`` makes of the other options: servers of HAProxy whose addresses DNS tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zopestack.features.address import Address
from zopestack.features.discovery import Discovery
from zopestack.features.instances import MAX_INSTANCES, VISITORS, Instance
from zopestack.features.lanes import Lane
from zopestack.features.option import Refused

#: Instances for particular requests, which are on the machine of ordinary ones.
BESIDE_ORDINARY = ("callback-instances", "groups", "extra-instances")


def check(given: Mapping[str, Any]) -> None:
    """Check the parsed options of [stack] that have to go with ``discover``.

    :raises Refused: for one that does not.
    """
    if given["discover"] and given["outside-balancers"]:
        raise Refused("discover", "nothing with outside-balancers, which find the instances")
    if given["instances"] != 0:
        return
    if not given["discover"]:
        numbers = f"a whole number from 1 to {MAX_INSTANCES}, or auto for one per CPU core"
        raise Refused("instances", f"{numbers}; 0 is for a stack with discover")
    for name in BESIDE_ORDINARY:
        if given[name]:
            raise Refused(name, "nothing with instances = 0: no instance runs on this machine")


def instances(discovery: Discovery, like: Instance) -> tuple[Instance, ...]:
    """The instances that there may be.

    :param like: the one that they are made as.
    """
    found = discovery.discover
    if not found:
        return ()
    address, agent = (Address(found.name, port) for port in (found.port, found.agent))
    like = replace(like, address=address, agent=agent, discovered=True)
    return tuple(replace(like, name=each) for each in found.servers)


def with_them(discovery: Discovery, lanes: tuple[Lane, ...]) -> tuple[Lane, ...]:
    """The lanes with these instances, which are ordinary ones."""
    more = discovery.discover.most if discovery.discover else 0
    return tuple(
        replace(lane, instances=lane.instances + more) if lane.name == VISITORS else lane
        for lane in lanes
    )
