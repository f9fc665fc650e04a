"""Measure layouts of one Zope side by side, and tune a stack by measuring.

Stands beside the rest of the package: nothing else imports it.

``workloads`` says what is asked for (``pages`` answers it inside Zope), ``farm`` runs the
instances, ``layouts`` and ``peers`` put them behind something, ``load`` asks, ``proc``
samples the kernel, ``rounds`` interleaves it all, ``ratios`` judges, ``plots`` and
``report`` show. ``cli`` is ``scripts/bench``; ``tune`` is ``scripts/tune``.
"""
