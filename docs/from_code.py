"""Sphinx directives for the tables that are made from the code (``tables``).

.. stack-options:: NAME ...  options of [stack]; without names, all that are not yet shown
.. group-options::           those of them that a group of instances may have
.. supervisor-options::      options of [supervisor]
.. stack-programs::          what supervisord runs
.. stack-ports::             TCP addresses the stack opens
.. stack-files::             files the stack makes
.. stack-templates::         templates, and the file each one becomes
.. stack-commands::          what supervisorctl gains
.. supervisorctl-statuses::  exit statuses of supervisorctl
.. agent-metrics::           figures of an instance
.. gathered-metrics::        what the one address of the stack has beside them
.. varnish-metrics::         those of Varnish
.. prometheus-alerts::       what Prometheus is to tell
.. bench-promises::          what scripts/bench --claim measures
.. adopted:: NAME            a buildout, and what bin/adopt makes of it, side by side
.. adopt-report:: NAME       what bin/adopt says of it
.. program-help:: MODULE     what ``python -m MODULE --help`` prints
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import tables
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from scripts.bootstrap import COMMANDS

TABLES: dict[str, Callable[[], str]] = {
    "group-options": tables.options_of_groups,
    "supervisor-options": tables.supervisor_options,
    "stack-programs": tables.programs,
    "stack-ports": tables.ports,
    "stack-files": tables.files,
    "stack-templates": tables.templates,
    "stack-commands": tables.commands,
    "supervisorctl-statuses": tables.statuses,
    "agent-metrics": tables.metrics,
    "gathered-metrics": tables.gathered_metrics,
    "varnish-metrics": tables.varnish_metrics,
    "prometheus-alerts": tables.alerts,
    "bench-promises": tables.promises,
}


class Table(SphinxDirective):
    """One of :data:`TABLES`."""

    def run(self) -> list[nodes.Node]:
        """Show the table in the place of the directive."""
        return self.parse_text_to_nodes(TABLES[self.name]())


class Options(SphinxDirective):
    """Options of [stack]."""

    optional_arguments = 100
    #: Names shown so far; one page lists them all, from top to bottom.
    shown: ClassVar[set[str]] = set()

    def run(self) -> list[nodes.Node]:
        """Show the options; a name that is none, or is shown before, is an error."""
        names = self.arguments or [name for name in tables.OPTIONS if name not in self.shown]
        for name in names:
            if name not in tables.OPTIONS:
                raise self.error(f"no such option in [stack]: {name}")
            if name in self.shown:
                raise self.error(f"this option is shown before: {name}")
        self.shown.update(names)
        return self.parse_text_to_nodes(tables.options(names))


class Adopted(SphinxDirective):
    """A buildout before and after bin/adopt."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Show both, or the report."""
        made = {"adopted": tables.before_and_after, "adopt-report": tables.report_of_adopting}
        return self.parse_text_to_nodes(made[self.name](self.arguments[0]))


class Help(SphinxDirective):
    """The help of one of scripts/, as it prints it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Run the module behind the script; one that fails is an error."""
        module, _ = COMMANDS[self.arguments[0]]
        command = [sys.executable, "-m", module, "--help"]
        checkout = Path(__file__).parents[1]
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
        if done.returncode:
            raise self.error(f"{' '.join(command)} failed with {done.returncode}: {done.stderr}")
        return self.parse_text_to_nodes(tables.literal(done.stdout))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    Options.shown = set()
    app.add_directive("stack-options", Options)
    app.add_directive("program-help", Help)
    app.add_directive("adopted", Adopted)
    app.add_directive("adopt-report", Adopted)
    for name in TABLES:
        app.add_directive(name, Table)
    return {"parallel_read_safe": False}
