"""How the tests are run, and fixtures of more than one kind of them."""

from __future__ import annotations

import os
import re
import signal
import tempfile
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support import describe, leftovers
from tests.support.deployment import Deployment
from zopestack.haproxy import program as haproxy

#: Groups of tests that take longest start first, so that no process ends with one of them.
ORDER = (
    "tests/system/test_plone.py",
    "tests/system/test_deployments.py",
    "tests/system/test_hosts.py",
    "tests/system/chaos",
    "tests/integration/frontend",
    "tests/system/test_operating.py",
    "tests/system/one_site",
    "tests/system/test_agent.py",
    "tests/system/test_plain_buildout.py",
    # They wait most of the time, and the others do not.
    "tests/integration/test_owner.py",
    "tests/integration/test_guard.py",
    "tests/integration/test_update.py",
    "tests/integration/test_varnish",
    "tests/integration/test_own_programs.py",
    "tests/integration/test_discover.py",
    "tests/system/bench",
    "tests/system",
)

#: The part of a test's name that says in which layout and with which HAProxy it runs.
VARIANT = re.compile(r"\[(?:\dx\d-nbthread\d-)?(\d+\.\d+\.\d+)(?=[]-])")

#: Tests behind one farm of Zope instances, which takes longer to start than most of them.
FARMED = "tests/integration/frontend/"

#: Tests whose modules share a site that is started once for a process.
SHARING = ("tests/system/browser/", "tests/system/one_site/")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which HAProxy is tested."""
    parser.addoption(
        "--haproxy",
        default="auto",
        metavar="auto|all|PATH",
        help="run the tests with the HAProxy that `haproxy = auto` takes (default), with this "
        "program in its place, or those of the front end with every version of this machine",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Have ``haproxy = auto`` take the program that was asked for, and signals their effect."""
    _heed_signals()
    wanted = config.getoption("--haproxy")
    if wanted in ("auto", "all") or hasattr(config, "workerinput"):
        return
    program = Path(wanted).absolute()
    if haproxy.version(program) is None:
        raise pytest.UsageError(f"--haproxy {wanted}: expected auto, all, or the path of HAProxy")
    directory = tempfile.TemporaryDirectory(prefix="zs-")
    config.add_cleanup(directory.cleanup)
    (Path(directory.name) / "haproxy").symlink_to(program)
    os.environ["PATH"] = f"{directory.name}:{os.environ['PATH']}"


def _heed_signals() -> None:
    """Undo what nohup and a shell's ``&`` do to every process that they start: tests interrupt
    programs, which inherit what is ignored (POSIX, "Shell Command Language", 2.11).
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in (signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(each) == signal.SIG_IGN:
            signal.signal(each, signal.SIG_DFL)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for ``program`` with each HAProxy in turn."""
    if "program" in metafunc.fixturenames:
        installed = haproxy.installed()
        chosen = installed if metafunc.config.getoption("--haproxy") == "all" else installed[:1]
        names = [haproxy.dotted(haproxy.version(program) or ()) for program in chosen]
        metafunc.parametrize("program", chosen, ids=names, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with what takes longest."""

    def rank(item: pytest.Item) -> int:
        return next((n for n, path in enumerate(ORDER) if item.nodeid.startswith(path)), len(ORDER))

    items.sort(key=rank)


class Groups(LoadScopeScheduling):
    """Keeps a module's tests in one process, since they share what it starts.

    One that runs with several HAProxies or layouts starts anew for each, which may be elsewhere.
    The farm is started once for each HAProxy, whatever the number of processes.
    """

    def _split_scope(self, nodeid: str) -> str:
        variant = VARIANT.search(nodeid)
        if nodeid.startswith(FARMED):
            return FARMED + (variant[1] if variant else usual_haproxy())
        if shared := next((path for path in SHARING if nodeid.startswith(path)), ""):
            return shared
        return nodeid.partition("::")[0] + (variant[0] if variant else "")


@cache
def usual_haproxy() -> str:
    """The version of HAProxy that tests run with which name none; empty where there is none."""
    return haproxy.dotted(next(map(haproxy.version, haproxy.installed()), None) or ())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Distribute groups in the order in which they were collected."""
    config.option.loadscopereorder = False
    return Groups(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of every deployment in the report of a test that fails."""
    report = yield
    if report.failed:
        report.sections += [(f"Logs of {each.directory}", each.tails()) for each in Deployment.live]
    return report


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No module leaves a process, a server or another current directory behind."""
    before = leftovers.look()
    yield
    leftovers.check(before)


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory for a buildout, with a short path: that of a unix socket is limited."""
    with tempfile.TemporaryDirectory(prefix="zs-") as directory:
        yield Path(directory)


@pytest.fixture
def furnished(home: Path) -> Path:
    """``home`` with what the bad input refers to."""
    describe.furnish(home)
    return home


@pytest.fixture(scope="session")
def haproxy_program() -> Path:
    """The HAProxy that ``haproxy = auto`` takes on this machine."""
    return haproxy.find(None)
