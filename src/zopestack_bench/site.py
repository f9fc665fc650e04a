"""What is measured: the built-in pages, a copy of the user's site, or a site as it is."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from urllib.parse import urlsplit

from zopestack import stack_file
from zopestack.features.address import Address
from zopestack.model import Stack
from zopestack.supervisor.up import STACK_FILE
from zopestack_bench import Broken
from zopestack_bench.layouts import Layout
from zopestack_bench.target import Target
from zopestack_bench.workloads import Workload


@dataclass(frozen=True)
class Site:
    """A site to measure.

    :param workload: the user's own page; None for the built-in ones.
    :param stack: of the user's buildout, a copy of whose site is measured.
    :param target: the running site, where that is measured as it is.
    """

    workload: Workload | None = None
    stack: Stack | None = None
    target: Target | None = None

    def as_it_is(self) -> dict[str, Layout]:
        """The one "layout" of a site that is measured where it runs."""
        name, meaning = "as it is", "the site where it runs"
        return {name: Layout(name, meaning, 1, 1, lambda *_: nullcontext(self.target))}


def find(url: str | None) -> Site:
    """The site of a --url; the built-in pages where there is none.

    :raises Broken: where it is not a URL, or of a buildout that is not there.
    """
    if url is None:
        return Site()
    stack = own_stack()
    if url.startswith("/"):
        if stack is None:
            raise Broken(f"--url {url}: a path is one of this buildout's site; run bin/buildout.")
        return Site(_workload(url), stack)
    address, path = _parts(url)
    if stack and address == stack.balancer.local_address:
        return Site(_workload(path), stack)
    return Site(_workload(path), target=Target(address, {}))


def own_stack() -> Stack | None:
    """The Stack of the buildout in the current directory, if there is one."""
    try:
        return stack_file.load(STACK_FILE)
    except OSError:
        return None


def _workload(path: str) -> Workload:
    return Workload("site", (path,), f"the page {path} of the user's site")


def _parts(url: str) -> tuple[Address, str]:
    split = urlsplit(url)
    try:
        port = split.port or 80
    except ValueError:
        port = 0
    if split.scheme != "http" or not split.hostname or not port:
        raise Broken(
            f"--url {url}: expected http://host:port/path, or /path of this buildout's site"
        )
    host = "127.0.0.1" if split.hostname == "localhost" else split.hostname
    return Address(host, port), (split.path or "/") + (f"?{split.query}" if split.query else "")
