"""Closed-loop load from wrk, which takes a tenth of the CPU of a generator in Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from zopestack.address import Address
from zopestack_bench.measured import Closed, Measured, percentiles
from zopestack_bench.workloads import host_and_path

#: What a person is told where wrk is missing.
HOW_TO_GET = (
    "wrk is not installed: apt-get install wrk (or dnf, brew). The bundled load generator "
    "does as well but takes more CPU from the servers, so rates come out lower."
)

#: Asks in turn and prints what wrk has counted (wrk, SCRIPTING): latencies as pairs of
#: microseconds and how many requests took them. A status from 400 counts as an error.
SCRIPT = """\
local asked = {%(asked)s}
local made = {}
local number = 0
request = function()
  number = number %% #asked + 1
  local one = asked[number]
  made[number] = made[number] or wrk.format("GET", one[1], one[2])
  return made[number]
end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"requests": %%d, "microseconds": %%d, "status": %%d, "connect": %%d, ' ..
    '"broken": %%d, "timeout": %%d, "latency": [',
    summary.requests, summary.duration, errors.status, errors.connect,
    errors.read + errors.write, errors.timeout))
  for i = 1, #latency do
    io.write(string.format('%%s[%%d, %%d]', i > 1 and ", " or "", latency(i)))
  end
  io.write("]}\\n")
end
"""


class Failed(Exception):
    """wrk could not run; the message is what it said."""


def find() -> Path | None:
    """Where wrk is, if it is."""
    found = shutil.which("wrk")
    return Path(found) if found else None


def run(
    program: Path,
    address: Address,
    paths: tuple[str, ...],
    load: Closed,
    seconds: float,
    cookies: tuple[str, ...] = (),
) -> Measured:
    """Ask for the paths in turn. wrk takes whole seconds; parts are rounded up.

    wrk drops what is in flight at the end, so a server may have seen up to one request
    more a client than are counted. Latencies are of all answers, good or not.

    :param cookies: sent with each of the paths.
    :raises Failed: where wrk does.
    """
    whole = max(1, -int(-seconds // 1))
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="utf-8") as script:
        script.write(SCRIPT % {"asked": ", ".join(_asked(address, paths, cookies))})
        script.flush()
        command = [str(program), "-t1", f"-c{load.clients}", f"-d{whole}s", "--timeout", "10s"]
        done = subprocess.run(
            [*command, "-s", script.name, f"http://{address}/"],
            capture_output=True,
            text=True,
            check=False,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise Failed(done.stderr.strip() or done.stdout.strip())
    return _read(json.loads(lines[-1]), load.clients)


def _asked(address: Address, paths: tuple[str, ...], cookies: tuple[str, ...]) -> Iterator[str]:
    """The requests as Lua tables of path and headers."""
    for asked, cookie in zip_longest(paths, cookies, fillvalue=""):
        host, path = host_and_path(asked, address)
        headers = f"Host = {json.dumps(host)}"
        headers += f", Cookie = {json.dumps(cookie)}" if cookie else ""
        yield f"{{{json.dumps(path, ensure_ascii=False)}, {{{headers}}}}}"


def _read(answer: dict[str, Any], clients: int) -> Measured:
    errors = {why: answer[why] for why in ("status", "connect", "broken", "timeout") if answer[why]}
    good = answer["requests"] - answer["status"]
    found = dict(answer["latency"])
    if sum(found.values()) > answer["requests"]:
        found = uncorrected(found, _interval(answer, clients))
    return Measured(
        seconds=answer["microseconds"] / 1e6,
        requests=good,
        errors=errors,
        latency=percentiles([us / 1e6 for us in found for _ in range(found[us])]) if good else {},
        generator="wrk",
    )


def _interval(answer: dict[str, Any], clients: int) -> int:
    """The microseconds wrk expects between two requests of a client; 0 where it cannot."""
    of_each = answer["requests"] // clients
    return answer["microseconds"] // of_each if of_each else 0


def uncorrected(counts: dict[int, int], interval: int) -> dict[int, int]:
    """Latencies as they were, from wrk's report of them.

    wrk means to make up for the requests that its clients would have sent had they not
    waited: for each latency of at least twice the mean interval it adds some that are one,
    two, three intervals shorter (``stats_correct`` in its stats.c). A closed loop asks no
    such questions, so they are taken out, from the longest latency down: what is added
    comes from longer ones only.

    :param counts: requests by microseconds.
    :param interval: that wrk expected between two requests of one client.
    """
    found = dict(counts)
    for latency in sorted(counts, reverse=True):
        if not interval or latency < 2 * interval:
            break
        if not found[latency]:
            continue
        for added in range(latency - interval, interval, -interval):
            found[added] -= found[latency]
    return {latency: count for latency, count in sorted(found.items()) if count}
