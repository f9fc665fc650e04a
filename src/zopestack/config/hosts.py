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
from zopestack.features.varnish import Varnish

#: What only a balancer reads, whose files need not be on the other hosts.
OF_BALANCERS = (Tls, Acme, Extras)


def values(hosts: Hosts, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parsed options of [stack] as they hold here: without those of what runs elsewhere.

    :raises Refused: for one that has no meaning beside ``hosts`` or ``outside-balancers``.
    """
    left: list[type[Feature]] = []
    if hosts.hosts:
        _check_hosts(hosts, given)
        if hosts.here != next(iter(hosts.of_storage), None):
            left.append(Backups)
    if hosts.outside_balancers:
        if given["storage"] == Kind.ZEO:
            kinds = f"{Kind.RELSTORAGE} or {Kind.EXTERNAL}"
            raise Refused("outside-balancers", f"storage = {kinds}: one database for all instances")
        left += (Backups, Varnish)
    if not hosts.here.balancer:
        left += OF_BALANCERS
    if none_here(hosts, given):
        left.append(Memory)
    unset = {each.name: each.parse(each.default) for cls in left for each in options(cls)}
    return {**given, **unset}


def _check_hosts(hosts: Hosts, given: Mapping[str, Any]) -> None:
    if given["instances"] is not None:
        raise Refused("instances", "nothing with hosts, where each line says how many it has")
    if given["discover"]:
        raise Refused("discover", "nothing with hosts, whose instances are known")
    _check_storage(hosts, given)
    if hosts.virtual_address and not all(each.wildcard for each in given["http-address"]):
        raise Refused(
            "virtual-address", "an http-address of every network, such as *:80: it comes and goes"
        )


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
    if any(each.kind == SQLITE for each in relstorages):
        if hosts.several:
            raise Refused("hosts", "a database server with several hosts; SQLite is a file on one")
        if hosts.outside_balancers:
            raise Refused("outside-balancers", "a database server; SQLite is a file on one machine")


def storage(hosts: Hosts, given: Storage) -> Storage:
    """Where ZEO is: on this host, or elsewhere for the clients here."""
    if not hosts.hosts or given.storage != Kind.ZEO:
        return given
    there = hosts.of_storage[0]
    listens = hosts.listens(there, hosts.of_instances)
    kind = Kind.ZEO if there == hosts.here else Kind.EXTERNAL
    return replace(given, storage=kind, zeo_address=Address(listens, given.zeo_address.port))


def none_here(hosts: Hosts, given: Mapping[str, Any]) -> bool:
    """Whether no instance runs on this host.

    :param given: the parsed options of [stack].
    """
    return not hosts.here.instances if hosts.hosts else given["instances"] == 0


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
        made = numbers.derived(_own_counts(lanes))
        listens = hosts.every_network if hosts.outside_balancers else ""
        yield tuple(_placed(each, here, listens) for each in made) if listens else made
        return
    others = (each for each in hosts.of_instances if each != here)
    for host in (here if here.instances else replace(here, instances=1), *others):
        extras = numbers.extra_instances if host == hosts.of_instances[0] else ()
        derived = replace(numbers, extra_instances=extras).derived(_counts(host, lanes))
        where = hosts.listens(host, hosts.balancers)
        yield tuple(_placed(each, host, where) for each in derived)


def every_name(hosts: Hosts, numbers: Instances, lanes: tuple[Lane, ...]) -> tuple[Instance, ...]:
    """Instances with every name that one has on some host."""
    most = max(hosts.of_instances, key=lambda each: each.instances, default=None)
    return numbers.derived(_counts(most, lanes) if most else _own_counts(lanes))


def _own_counts(lanes: tuple[Lane, ...]) -> dict[str, int]:
    """Instances by lane where there is one host; one for its options where there is none."""
    counts = {lane.name: lane.instances for lane in lanes}
    return counts if any(counts.values()) else {VISITORS: 1}


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
