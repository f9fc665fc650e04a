"""Memory against the number of instances."""

from __future__ import annotations

from zopestack_bench import proc
from zopestack_bench.farm import Farm


def by_instances(farm: Farm) -> dict[int, dict[str, int]]:
    """Bytes (PSS) of the first n instances and of what every stack has besides, by n.

    Of the instances as they are at the end of a run, with warm caches. Pages they share
    are counted in equal parts, so a single instance alone has somewhat more.
    """
    zeo = proc.pss(farm.pid("zeo"))
    found = {}
    zope = 0
    for number, instance in enumerate(farm.stack.instances, 1):
        zope += proc.pss(farm.pid(instance.name))
        found[number] = {"zope": zope, "zeo": zeo}
    return found
