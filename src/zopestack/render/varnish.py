"""How Varnish is started, and what of its rules is no loop."""

from __future__ import annotations

from collections.abc import Iterator

from zopestack.model import Stack

#: The names of its listeners, by which the rules tell a PURGE from what a client sends.
VISITORS, PURGES = "visitors", "purges"

#: What VirtualHostMonster takes from a URL, as a pattern with a group of the site's root in Zope.
VIRTUAL_ROOT = "^/VirtualHostBase/[^/]+/[^/]+(.*)/VirtualHostRoot(/_vh_[^/]+)*"

#: Bytes of Varnish's own log, a ring in shared memory that nobody reads unless a person does.
LOG = 16 << 20

#: The part of timeout-server after which a request is not tried again at another instance. Not all
#: of it: the clock that says when a request came may differ from the timer that ends it.
NEARLY = 0.9

#: Seconds, where HAProxy ends sooner what takes too long.
DAY = 24 * 3600


def command(stack: Stack) -> tuple[str, ...]:
    """The words of the command that runs Varnish (varnishd(1))."""
    options = (f"-p {name}={value}" for name, value in _parameters(stack))
    return (
        str(stack.varnish.executable),
        "-F",
        *("-n", str(stack.varnish_directory)),
        # Without a user of its own: it runs as what starts it.
        *("-j", "none"),
        *("-a", f"{VISITORS}={stack.varnish_socket},mode=600"),
        *("-a", f"{PURGES}={stack.varnish.varnish_address}"),
        # Commands.
        *("-T", "127.0.0.1:0"),
        *("-S", str(stack.varnish_secret)),
        *("-f", str(stack.varnish_vcl)),
        *("-s", f"malloc,{stack.varnish.varnish_memory}"),
        *(word for option in options for word in option.split()),
    )


def _parameters(stack: Stack) -> Iterator[tuple[str, object]]:
    """Parameters other than Varnish's own (varnishd(1), "List of Parameters"), in its units.

    They follow from no option that somebody may try out, because a new value costs every page.
    """
    sizes = stack.sizes
    # A response says how long it may be kept.
    for time in ("default_ttl", "default_grace", "default_keep"):
        yield time, 0
    # Whatever headers HAProxy lets through.
    yield "http_max_hdr", sizes.header_lines
    for direction, workspace in (("req", "workspace_client"), ("resp", "workspace_backend")):
        yield f"http_{direction}_size", sizes.buffer
        yield f"http_{direction}_hdr_len", sizes.buffer
        # Both kinds of messages, each with its changes.
        yield workspace, 8 * sizes.buffer
    # HAProxy knows which client is too slow, and closes its own idle connections.
    for time in ("idle_send_timeout", "pipe_timeout", "send_timeout", "timeout_idle"):
        yield time, DAY
    yield "backend_idle_timeout", f"{stack.timings.fetch_idle:g}"
    yield "vsl_space", LOG
