"""Measure layouts of one Zope side by side, and tune a stack by measuring.

This package imports zopestack; nothing of zopestack imports it, and no wheel holds it.

``cli`` is ``scripts/bench``, ``tune`` is ``scripts/tune``. ``farm`` is a ``deployment`` that runs
Zope instances, whose ``pages`` answer the requests of ``workloads``, and the servers that are
compared with them. ``layouts`` and ``fronts`` are the layouts there are, and a ``target`` is one
that runs. ``load`` sends requests, ``slow`` are slow clients beside, ``proc`` reads the kernel's
counters, and ``rounds`` interleaves it all: as often as a ``plan`` says, or until the ratios of
``claims`` are narrow. ``ratios`` are the statistics of a ``record``; ``plots`` and ``report`` show
them. ``tune`` finds the best layout and settings for what ``visitors`` request by a ``search``,
and ``edit`` writes them down.
"""


class Broken(Exception):
    """Something that a measurement needs does not work; the message says what and why."""
