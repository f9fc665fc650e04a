"""Measure layouts of one Zope side by side, and tune a stack by measuring.

This package imports zopestack; nothing of zopestack imports it, and no wheel holds it.

``cli`` is ``scripts/bench``, ``tune`` is ``scripts/tune``. ``farm`` runs Zope instances, whose
``pages`` answer the requests of ``workloads``. ``layouts``, ``peers`` and ``fronts`` put something
in front of them, a running ``target``. ``load`` sends requests, ``slow`` are slow clients beside,
``proc`` reads the kernel's counters, and ``rounds`` interleaves it all. ``ratios`` and ``claims``
judge the samples of a ``record``; ``plots`` and ``report`` show them. ``advise`` searches for the
best layout (``halving``), then for its best settings (``refine``).
"""


class Broken(Exception):
    """Something that a measurement needs does not work; the message says what and why."""
