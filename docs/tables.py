"""The reference as reStructuredText, made from the tables in the code.

What stands in the code is not repeated by hand, so it cannot drift. ``from_code`` makes a Sphinx
directive of each function. Without Sphinx, this prints every option of [stack]:

    .venv/bin/python docs/tables.py

The documentation imports product modules here and nowhere else.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

from supervisor.supervisorctl import LSBInitExitStatuses, LSBStatusExitStatuses

from zopestack import agent
from zopestack.adopt.adopted import Adopted
from zopestack.adopt.check import written
from zopestack.adopt.notes import report
from zopestack.adopt.original import Original
from zopestack.agent.metrics import process
from zopestack.buildout.references import paths
from zopestack.config.read import Buildout, read
from zopestack.figure import INSTANCE, PREFIX, Figure
from zopestack.model import OPTIONS as OPTIONS
from zopestack.model import SUPERVISOR_OPTIONS, Stack
from zopestack.render.alerts import alerts as alerts_of
from zopestack.render.files import packaged_templates
from zopestack.render.programs import programs as programs_of
from zopestack.supervisor import gather, varnish_figures
from zopestack.supervisor.doctor.finding import Severity
from zopestack.supervisor.help import HELP
from zopestack_bench.claims import PROMISES

#: Where the reasons of defaults are; a line "Backs" in a section names the options.
EXPLANATION = Path(__file__).parent / "explanation"

#: Buildouts modelled on public ones.
DEPLOYMENTS = Path(__file__).parents[1] / "tests/support/adopted"

#: The stack that the tables show: the defaults, with https, two instances and backups.
SHOWN = {
    "instances": "2",
    "https-address": "127.0.0.1:8443",
    "tls-certificate": "self-signed",
    "backup": "daily 02:30 keep 14",
}


def options(names: Iterable[str]) -> str:
    """Options of [stack]: default, meaning, and where the reason of the default is."""
    reasons = dict(reasons_of_defaults())
    return "\n".join(_option(name, reasons.get(name)) for name in names)


def options_of_groups() -> str:
    """Options of [stack] that the section of a group may set, too."""
    names = [f":confval:`{option.name}`" for option in OPTIONS.values() if option.per_group]
    return ", ".join(names) + "\n"


def supervisor_options() -> str:
    """Options of [supervisor]; none has a default but the empty one."""
    rows = [(f"``{each.name}``", each.help) for each in SUPERVISOR_OPTIONS.values()]
    return _table(("Option", "Meaning"), rows, "22 78")


def programs() -> str:
    """What supervisord runs, in the order it starts."""
    rows = [
        (
            f"``{each.name}``",
            f"``{each.section}``",
            str(each.priority),
            re.sub(r"\s*\n;\s*", " ", each.comment),
        )
        for each in programs_of(example_stack(), {})
    ]
    return _table(("Program", "Kind", "Priority", "What it is for"), rows, "22 18 10 50")


def ports() -> str:
    """TCP addresses the stack opens."""
    rows = [
        (each.process, f"``{each.address}``", f":confval:`{each.option}`")
        for each in example_stack().listeners()
    ]
    return _table(("Who listens", "Address", "Moved by"), rows, "40 30 30")


def files() -> str:
    """Files the stack makes: every property of the Stack that is a path."""
    stack = example_stack()
    references = {path: f"``${{stack:{name}}}``" for name, path in paths(stack)}
    found = {}
    for name, value in inspect.getmembers(Stack, lambda each: isinstance(each, property)):
        path = getattr(stack, name)
        if isinstance(path, Path):
            said = " ".join((value.__doc__ or "").split())
            found[path.relative_to(stack.directory)] = (said, references.get(path, ""))
    rows = [(f"``{path}``", *cells) for path, cells in sorted(found.items())]
    return _table(("Path", "What it is", "In a reference"), rows, "34 40 26")


def templates() -> str:
    """The templates that a directory of the user's own may replace."""
    stack = example_stack()
    others = (stack.supervisord_conf, stack.system_unit, stack.keepalived_conf, stack.varnish_vcl)
    others += stack.monitoring_files
    made = {path.name for path in (*stack.balancer_files, *others)}
    rows = []
    for template in sorted(packaged_templates().glob("*.j2")):
        name = template.name.removesuffix(".j2")
        part = "a part of ``haproxy.cfg``" if name.startswith("haproxy-") else ""
        if name.startswith("status-"):
            part = f"a part of ``{stack.status_page.name}``"
        elif name.endswith((".html", ".json")) and name not in made:
            part = f"a part of ``{stack.pages_map.name}``"
        if name in made or part:
            rows.append((f"``{template.name}``", part or f"``{name}``"))
    return _table(("Template", "Becomes"), rows, "50 50")


def commands() -> str:
    """What supervisorctl gains."""
    return "\n".join(literal(said) for said in HELP.values())


def statuses() -> str:
    """Exit statuses of supervisorctl."""
    rows = [
        (str(value), commands, name.lower().replace("_", " "))
        for commands, kind in (("all", LSBInitExitStatuses), ("``status``", LSBStatusExitStatuses))
        for name, value in sorted(vars(kind).items(), key=lambda item: str(item[1]))
        if name.isupper()
    ]
    rows += [(str(each.value), "``doctor``", each.name.lower()) for each in Severity]
    return _table(("Status", "Commands", "Its name"), rows, "20 30 50")


def metrics() -> str:
    """Figures of each instance, by their names at ``/metrics``."""
    return _figures([*figures_of(agent), *standard()])


def gathered_metrics() -> str:
    """Figures that the one address of the stack has beside those of the instances."""
    return _figures(figures_of(gather))


def varnish_metrics() -> str:
    """Figures of Varnish, at the one address of the stack."""
    return _figures(figures_of(varnish_figures))


def alerts() -> str:
    """What Prometheus is to tell, of a stack that has backups and https."""
    rows = [
        (f"``{each.name}``", each.severity, f"``{each.expression}``")
        for each in alerts_of(example_stack())
    ]
    return _table(("Alert", "Severity", "True while"), rows, "24 12 64")


def figures_of(where: ModuleType) -> Iterator[Figure]:
    """The figures that are declared in a module or in those of a package."""
    names = [where.__name__]
    if hasattr(where, "__path__"):
        found = pkgutil.walk_packages(where.__path__, f"{where.__name__}.")
        names += [module.name for module in found]
    for name in names:
        module = importlib.import_module(name)
        yield from (each for each in vars(module).values() if isinstance(each, Figure))


def standard() -> Iterator[Figure]:
    """prometheus_client's own figures of a process, whose names have no prefix of ours."""
    for family in process.standard().collect():
        yield Standard(family.name, family.type, family.documentation)


class Standard(Figure):
    """A figure that is named elsewhere."""

    @property
    def shown(self) -> str:
        """Its name at ``/metrics``."""
        return super().shown.removeprefix(PREFIX)


def _figures(figures: Iterable[Figure]) -> str:
    rows = [
        (
            f"``{each.shown}``",
            each.kind,
            " ".join(f"``{label}``" for label in each.labels if label != INSTANCE),
            each.meaning.replace("`", "``"),
        )
        for each in figures
    ]
    return _table(("Figure", "Type", "Labels", "Meaning"), rows, "36 12 12 40")


@cache
def promises() -> str:
    """What ``scripts/bench --claim`` measures, by name."""
    rows = [(f"``{claim.name}``", claim.title, claim.expected) for claim in PROMISES]
    return _table(("Name", "Ratio", "Promised"), rows, "14 64 22")


def before_and_after(name: str) -> str:
    """A buildout, and what ``bin/adopt`` makes of it, side by side."""
    main = DEPLOYMENTS / name / "buildout.cfg"
    found = Adopted(Original(main))
    # What stays as it is need not be shown.
    kept = {
        DEPLOYMENTS / name / each for each in found.sections["buildout"].get("extends", "").split()
    }
    others = sorted({*main.parent.rglob("*.cfg")} - {main, *kept})
    texts = [(path.relative_to(main.parent), path.read_text("utf-8")) for path in (main, *others)]
    before = "\n".join(f"# {path}\n{text}" for path, text in texts)
    cells = (before, written(found.sections))
    sizes = [sum(bool(line.strip()) for line in text.splitlines()) for text in cells]
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 50 50", ""]
    lines += [f"   * - Before: {sizes[0]} lines", f"     - After: {sizes[1]} lines"]
    for sign, text in zip("*-", cells, strict=True):
        start = "   * - ::" if sign == "*" else "     - ::"
        lines += [start, "", *(f"          {line}".rstrip() for line in text.splitlines()), ""]
    return "\n".join(lines)


def report_of_adopting(name: str) -> str:
    """What ``bin/adopt`` says of a buildout."""
    found = Adopted(Original(DEPLOYMENTS / name / "buildout.cfg"))
    return literal("\n".join(report(found.notes)))


def example_stack() -> Stack:
    """The stack that the tables show; it is described, and nothing of it is made."""
    with tempfile.TemporaryDirectory(prefix="zs-") as name:
        home = Path(name)
        where = Buildout(directory=home, bin=home / "bin", parts=home / "parts")
        return read("stack", SHOWN, {}, where).stack


def reasons_of_defaults() -> Iterator[tuple[str, str]]:
    """Each option whose default rests on a measurement, and the label of its section.

    A section in :data:`EXPLANATION` begins with a label ``.. _measured-NAME:`` and says below
    its title, in a line of its own: ``Backs :confval:`A`, :confval:`B`.``
    """
    for page in sorted(EXPLANATION.glob("*.rst")):
        label = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if found := re.fullmatch(r"\.\. _(measured-[a-z-]+):", line):
                label = found[1]
            elif line.startswith("Backs "):
                for option in re.findall(r":confval:`([^`]+)`", line):
                    yield option, label


def literal(text: str) -> str:
    """A text as it is."""
    return "::\n\n" + "".join(f"   {line}".rstrip() + "\n" for line in text.strip().splitlines())


def _option(name: str, reason: str | None) -> str:
    option = OPTIONS[name]
    lines = [f".. confval:: {name}"]
    lines += [f"   :default: ``{option.default}``"] if option.default else []
    lines += ["", f"   {option.help}", ""]
    lines += [f"   Reason of the default: :ref:`{reason}`.", ""] if reason else []
    return "\n".join(lines)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], widths: str) -> str:
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for first, *others in (heads, *rows):
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for option in OPTIONS.values():
        print(f"{option.name} = {option.default}".rstrip(), f"    {option.help}", "", sep="\n")
