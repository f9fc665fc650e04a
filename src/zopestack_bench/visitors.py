"""What visitors ask for, as a front end of the benchmark's own takes it.

That one listens on another port and speaks plain http; the hosts of ``sites`` are the same.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from zopestack.address import Address
from zopestack.model import Stack
from zopestack_bench.accesslog import Logged
from zopestack_bench.farm import Broken
from zopestack_bench.workloads import host_and_path

#: Seconds a page gets when it is asked for the first time, with cold caches.
PATIENCE = 60

#: Names that are this machine, for a front end without ``sites``.
HERE = ("localhost", "127.0.0.1", "[::1]")


def from_url(url: str, stack: Stack) -> str:
    """A --url, a path of the site or the URL of one of its pages, as one of a workload's paths.

    :raises Broken: where it is none of this stack's.
    """
    split = urlsplit(url)
    host = split.netloc.lower()
    if not url.startswith("/") and (split.scheme not in ("http", "https") or not host):
        raise Broken(f"--url {url}: takes /path, or http://host/path of this buildout's site")
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    found = as_asked(Logged(host, path), stack)
    if not found or (host and not stack.frontend.sites and host not in _own_hosts(stack)):
        hosts = ", ".join(dict.fromkeys(site.host for site in stack.frontend.sites))
        raise Broken(
            f"--url {url}: not a page of this buildout's site, whose layouts I could try"
            + (f"; its hosts are {hosts}" if hosts else "")
        )
    return found


def from_log(requests: Iterable[Logged], stack: Stack) -> tuple[str, ...]:
    """The requests of a log that are for one of the stack's sites, as a workload's paths.

    :raises Broken: where none is.
    """
    found = tuple(asked for each in requests if (asked := as_asked(each, stack)))
    if not found:
        raise Broken(
            "--log: no request is known to be for a host of sites in [stack]. The generated "
            "access log has the host at the end of a line, as host=www.example.com."
        )
    return found


def as_asked(request: Logged, stack: Stack) -> str | None:
    """A request as one of a workload's paths; None where no site is known to be for it."""
    sites = stack.frontend.sites
    hosts = dict.fromkeys(site.host for site in sites if site.host != "*")
    anything = not sites or any(site.host == "*" for site in sites)
    name = re.sub(r":\d+$", "", request.host)
    if request.host in hosts or (anything and request.host and name not in hosts):
        return f"http://{request.host}{request.path}"
    if name in hosts:
        # The port is the front end's own, and another one here; without, it is any.
        return f"http://{name}{request.path}"
    if not request.host and len(hosts) == 1 and not anything:
        return f"http://{next(iter(hosts))}{request.path}"
    return request.path if anything and not request.host else None


def answers(asked: str, address: Address) -> bool:
    """Whether a front end answers a request well, as a stranger gets it."""
    host, path = host_and_path(asked, address)
    connection = http.client.HTTPConnection(address.host, address.port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return answer.status < http.HTTPStatus.BAD_REQUEST


def _own_hosts(stack: Stack) -> tuple[str, ...]:
    port = stack.balancer.http.port
    return (*(f"{name}:{port}" for name in HERE), *HERE, str(stack.balancer.http.reachable))
