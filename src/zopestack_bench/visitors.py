"""The user's own site: what visitors have requested, by HAProxy's access log or a --url.

The benchmark's front end listens on another port and speaks plain http; the hosts of ``sites`` are
the same.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from zopestack import stack_file
from zopestack.haproxy import access_line
from zopestack.model import Stack
from zopestack.supervisor.up import STACK_FILE
from zopestack_bench import Broken

#: How many of the last requests are replayed.
LAST = 500

#: A line of ``option httplog`` (HAProxy's manual, "HTTP log format").
HTTPLOG = re.compile(
    r" \S+/(?P<instance>\S+) [-+\d/]+ (?P<status>\d{3}) \+?\d+ .*"
    r'"(?P<request>[^"]*)"\s*$'
)

#: Only a request that changes nothing is replayed. HAProxy writes a character that no URL has as
#: ``#`` and a number, and cuts what is too long.
REQUEST = re.compile(r"GET (?:https?://(?P<host>[^/\s]+))?(?P<path>/[!-~]*) HTTP/[\d.]+")

#: Names of this machine, for a front end without ``sites``.
HERE = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Logged:
    """A request in a log.

    :param host: as the visitor sent it; empty where the log does not say.
    """

    host: str
    path: str


def own_stack() -> Stack | None:
    """The Stack of the buildout in the current directory, if there is one."""
    try:
        return stack_file.load(STACK_FILE)
    except OSError:
        return None


def paths(urls: Iterable[str], log: Path | None, stack: Stack) -> tuple[str, ...]:
    """These URLs and what is in a log, as the paths of a workload.

    :raises Broken: where one is no page of this stack's site.
    """
    found = tuple(from_url(url, stack) for url in urls)
    return found + (from_log(logged(log), stack) if log else ())


def logged(log: Path) -> tuple[Logged, ...]:
    """The last GET requests with a good response from an instance or the cache, in order.

    Visitors who were logged in are replayed as anonymous: the log has no passwords.

    :raises Broken: where the file cannot be read or holds no such request.
    """
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            found = deque((each for line in file for each in _logged(line)), LAST)
    except OSError as why:
        raise Broken(f"--log {log}: {why.strerror}") from None
    if not found:
        raise Broken(
            f"--log {log}: holds no GET with a good response, in a format that HAProxy writes "
            "(the generated log-format, or option httplog)"
        )
    return tuple(found)


def _logged(line: str) -> Iterator[Logged]:
    instance, status, asked, host = _fields(line)
    # <NOSRV> and the like: HAProxy answered itself, with a redirect for instance.
    good = status[:1] in ("2", "3") and (not instance.startswith("<") or instance == "<CACHE>")
    request = REQUEST.fullmatch(asked) if good else None
    if request and "#" not in request["path"]:
        yield Logged((request["host"] or host.strip("-")).lower(), request["path"])


def _fields(line: str) -> tuple[str, str, str, str]:
    """Instance, status, request and host of a line; empty where it does not say."""
    if ours := access_line.parsed(line):
        return ours.instance, ours.status, ours.request, ours.host
    other = HTTPLOG.search(line)
    return (other["instance"], other["status"], other["request"], "") if other else ("",) * 4


def from_url(url: str, stack: Stack) -> str:
    """A --url, a path of the site or the URL of one of its pages, as one of a workload's paths.

    :raises Broken: where it is none of this stack's.
    """
    split = urlsplit(url)
    host = split.netloc.lower()
    if not url.startswith("/") and (split.scheme not in ("http", "https") or not host):
        raise Broken(f"--url {url}: expected /path, or http://host/path of this buildout's site")
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    found = as_asked(Logged(host, path), stack)
    if not found or (host and not stack.sites.shown and host not in _own_hosts(stack)):
        hosts = ", ".join(dict.fromkeys(site.host for site in stack.sites.shown))
        known = f"; its hosts are {hosts}" if hosts else ""
        raise Broken(f"--url {url}: not a page of this buildout's site{known}")
    return found


def from_log(requests: Iterable[Logged], stack: Stack) -> tuple[str, ...]:
    """The requests of a log that are for one of the stack's sites, as a workload's paths.

    :raises Broken: where none is.
    """
    found = tuple(asked for each in requests if (asked := as_asked(each, stack)))
    if not found:
        raise Broken(
            "--log: no request is for a host of sites in [stack]. A line of the generated access "
            "log ends with the host, as host=www.example.com."
        )
    return found


def as_asked(request: Logged, stack: Stack) -> str | None:
    """A request as one of a workload's paths; None where it is for no known site."""
    sites = stack.sites.shown
    hosts = dict.fromkeys(site.host for site in sites if site.host != "*")
    anything = not sites or any(site.host == "*" for site in sites)
    name = re.sub(r":\d+$", "", request.host)
    if request.host in hosts or (anything and request.host and name not in hosts):
        return f"http://{request.host}{request.path}"
    if name in hosts:
        # The port is the front end's own, and another one here; without one, any port will do.
        return f"http://{name}{request.path}"
    if not request.host and len(hosts) == 1 and not anything:
        return f"http://{next(iter(hosts))}{request.path}"
    return request.path if anything and not request.host else None


def _own_hosts(stack: Stack) -> tuple[str, ...]:
    address = stack.balancer.local_address
    return (*(f"{name}:{address.port}" for name in HERE), *HERE, str(address))
