"""Closed-loop load from wrk, which takes a tenth of the CPU of a generator in Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from zopestack.bench.measured import PERCENTILES, Closed, Measured
from zopestack.bench.workloads import host_and_path
from zopestack.model import Address

#: What a person is told where wrk is missing.
HOW_TO_GET = (
    "wrk is not installed: apt-get install wrk (or dnf, brew). The bundled load generator "
    "does as well but takes more CPU from the servers, so rates come out lower."
)

#: Asks for the paths in turn and prints what wrk has counted (wrk, SCRIPTING). wrk knows
#: latencies in microseconds and counts a status from 400 as an error.
SCRIPT = """\
local paths = {%(paths)s}
local hosts = {%(hosts)s}
local made = {}
local number = 0
request = function()
  number = number %% #paths + 1
  made[number] = made[number] or wrk.format("GET", paths[number], {Host = hosts[number]})
  return made[number]
end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"requests": %%d, "microseconds": %%d, "status": %%d, "connect": %%d, ' ..
    '"broken": %%d, "timeout": %%d, "latency": {',
    summary.requests, summary.duration, errors.status, errors.connect,
    errors.read + errors.write, errors.timeout))
  for i, p in ipairs({%(percentiles)s}) do
    io.write(string.format('%%s"%%s": %%d', i > 1 and ", " or "", p, latency:percentile(p)))
  end
  io.write("}}\\n")
end
"""


class Failed(Exception):
    """wrk could not run; the message is what it said."""


def find() -> Path | None:
    """Where wrk is, if it is."""
    found = shutil.which("wrk")
    return Path(found) if found else None


def run(
    program: Path, address: Address, paths: tuple[str, ...], load: Closed, seconds: float
) -> Measured:
    """Ask for the paths in turn. wrk takes whole seconds; parts are rounded up.

    wrk drops what is in flight at the end, so a server may have seen up to one request
    more a client than are counted.

    :raises Failed: where wrk does.
    """
    whole = max(1, -int(-seconds // 1))
    asked = [host_and_path(path, address) for path in paths]
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="utf-8") as script:
        script.write(
            SCRIPT
            % {
                "hosts": ", ".join(json.dumps(host) for host, _ in asked),
                "paths": ", ".join(json.dumps(path, ensure_ascii=False) for _, path in asked),
                "percentiles": ", ".join(f'"{p:g}"' for p in PERCENTILES),
            }
        )
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
    return _read(json.loads(lines[-1]))


def _read(answer: dict[str, object]) -> Measured:
    counts = {key: int(str(value)) for key, value in answer.items() if key != "latency"}
    latency = answer["latency"]
    assert isinstance(latency, dict)  # noqa: S101
    errors = {key: counts[key] for key in ("status", "connect", "broken", "timeout") if counts[key]}
    good = counts["requests"] - counts["status"]
    return Measured(
        seconds=counts["microseconds"] / 1e6,
        requests=good,
        errors=errors,
        latency={float(p): int(value) / 1e6 for p, value in latency.items()} if good else {},
        generator="wrk",
    )
