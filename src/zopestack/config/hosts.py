"""What ``hosts`` makes of the other options: what they mean on this host and on the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from zopestack.features.acme import Acme
from zopestack.features.address import Address
from zopestack.features.backups import Backups
from zopestack.features.extras import Extras
from zopestack.features.host_lines import STORAGE, Host
from zopestack.features.hosts import LOOPBACK, Hosts
from zopestack.features.instances import VISITORS, Instance, Instances
from zopestack.features.lanes import Lane
from zopestack.features.memory import Memory
from zopestack.features.option import Feature, Refused, options
from zopestack.features.relstorage import SQLITE, Relstorage
from zopestack.features.storage import ADDRESS, Kind, Storage
from zopestack.features.tls import Tls

#: What only a balancer reads, whose files need not be on the other hosts.
OF_BALANCERS = (Tls, Acme, Extras)


def values(hosts: Hosts, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parsed options of [stack] as they hold here: without those of what runs elsewhere.

    :raises Refused: for one that has no meaning beside ``hosts``.
    """
    if not hosts.hosts:
        return dict(given)
    if given["instances"] is not None:
        raise Refused("instances", "nothing with hosts, where each line says how many it has")
    _check_storage(hosts, given)
    if hosts.virtual_address and not all(each.wildcard for each in given["http-address"]):
        raise Refused(
            "virtual-address", "an http-address of every network, such as *:80: it comes and goes"
        )
    left: list[type[Feature]] = []
    if not hosts.here.balancer:
        left += OF_BALANCERS
    if none_here(hosts):
        left.append(Memory)
    if hosts.here != next(iter(hosts.of_storage), None):
        left.append(Backups)
    unset = {each.name: each.parse(each.default) for cls in left for each in options(cls)}
    return {**given, **unset}


def _check_storage(hosts: Hosts, given: Mapping[str, Any]) -> None:
    kind, count = given["storage"], len(hosts.of_storage)
    if kind == Kind.ZEO and count != 1:
        raise Refused("hosts", f"one host with the role {STORAGE}, where ZEO runs, not {count}")
    if kind == Kind.RELSTORAGE and not count:
        raise Refused("hosts", f"a host with the role {STORAGE}, where backups are made")
    if kind == Kind.EXTERNAL and count:
        raise Refused("hosts", f"no host with the role {STORAGE}, since storage = {kind}")
    if kind == Kind.ZEO and given[ADDRESS].host != LOOPBACK:
        where = hosts.of_storage[0].address
        raise Refused(ADDRESS, f"a port alone: the host with the role {STORAGE} is {where}")


def check_databases(hosts: Hosts, relstorages: tuple[Relstorage, ...]) -> None:
    """Check that every host reaches every database.

    :raises Refused: for a database in a file.
    """
    if hosts.several and any(each.kind == SQLITE for each in relstorages):
        raise Refused("hosts", "a database server with several hosts; SQLite is a file on one")


def storage(hosts: Hosts, given: Storage) -> Storage:
    """Where ZEO is: on this host, or elsewhere for the clients here."""
    if not hosts.hosts or given.storage != Kind.ZEO:
        return given
    there = hosts.of_storage[0]
    listens = hosts.listens(there, hosts.of_instances)
    kind = Kind.ZEO if there == hosts.here else Kind.EXTERNAL
    return replace(given, storage=kind, zeo_address=Address(listens, given.zeo_address.port))


def none_here(hosts: Hosts) -> bool:
    """Whether no instance runs on this host."""
    return bool(hosts.hosts) and not hosts.here.instances


def whole(hosts: Hosts, lanes: tuple[Lane, ...]) -> tuple[Lane, ...]:
    """The lanes with the instances of all hosts.

    :param lanes: with those of one host; the number of the ordinary ones does not count.
    """
    if not hosts.hosts:
        return lanes
    totals = [_counts(each, lanes) for each in hosts.of_instances]
    return tuple(replace(lane, instances=sum(each[lane.name] for each in totals)) for lane in lanes)


def layouts(
    hosts: Hosts, numbers: Instances, lanes: tuple[Lane, ...]
) -> Iterator[tuple[Instance, ...]]:
    """The instances of each host, first those of this one. Where this one has none, there is one
    for its options (``Stack.pattern``).

    :param lanes: with the instances of one host.
    :raises Refused: where the port of one would be too high.
    """
    here = hosts.here
    if not hosts.hosts:
        yield numbers.derived({lane.name: lane.instances for lane in lanes})
        return
    others = (each for each in hosts.of_instances if each != here)
    for host in (replace(here, instances=1) if none_here(hosts) else here, *others):
        extras = numbers.extra_instances if host == hosts.of_instances[0] else ()
        derived = replace(numbers, extra_instances=extras).derived(_counts(host, lanes))
        where = hosts.listens(host, hosts.balancers)
        yield tuple(_placed(each, host, where) for each in derived)


def every_name(hosts: Hosts, numbers: Instances, lanes: tuple[Lane, ...]) -> tuple[Instance, ...]:
    """Instances with every name that one has on some host."""
    most = max(hosts.of_instances, key=lambda each: each.instances, default=None)
    counts = _counts(most, lanes) if most else {lane.name: lane.instances for lane in lanes}
    return numbers.derived(counts)


def _counts(host: Host, lanes: tuple[Lane, ...]) -> dict[str, int]:
    """Instances of a host, by lane: those of groups and for callbacks are on every one."""
    return {
        each.name: host.instances if each.name == VISITORS else each.instances for each in lanes
    }


def _placed(instance: Instance, host: Host, where: str) -> Instance:
    if not instance.balanced:
        return replace(instance, host=host.name)
    address, agent = (Address(where, each.port) for each in (instance.address, instance.agent))
    return replace(instance, address=address, agent=agent, host=host.name)
