"""Measure layouts of one Zope side by side, and tune a stack by measuring.

Stands beside the rest of the package: nothing else imports it.

``workloads`` says what is asked for (``pages`` answers it inside Zope), ``farm`` runs the
instances, ``layouts``, ``peers`` and ``fronts`` put them behind something that ``starting``
starts, ``load`` asks, ``slow`` are slow visitors beside, ``proc`` samples the kernel,
``rounds`` interleaves it all, ``ratios`` and ``claims`` judge, ``plots``, ``report`` and
``summary`` show. ``cli`` is ``scripts/bench``; ``tune`` is ``scripts/tune``.
"""
