"""The database server tells its clients of commits in their order, whatever is installed."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import uvloop
from persistent.mapping import PersistentMapping
from ZEO.ClientStorage import ClientStorage
from ZODB import DB

from tests.support import freeports
from tests.support.started import Started
from zopestack.supervisor import zeo

#: Commits to an object of its own, and prints how often it has heard of a commit too late: ZEO's
#: client then refuses to go back in time.
WRITER = """
import sys, transaction
from ZEO import cache, client
from ZODB import DB

late = 0
note = cache.ClientCache.setLastTid

def counted(self, tid):
    global late
    try:
        note(self, tid)
    except ValueError:
        late += 1
        raise

cache.ClientCache.setLastTid = counted
key, port = sys.argv[1:]
connection = DB(client(("127.0.0.1", int(port)))).open()
for number in range(300):
    connection.root()[key]["number"] = number
    transaction.commit()
print(late)
"""


def test_a_client_hears_of_commits_in_their_order(tmp_path: Path) -> None:
    """With uvloop, 1 to 3 of 100 come too late."""
    with ExitStack() as stack:
        ports = freeports.reserve()
        stack.callback(ports.release)
        address = "127.0.0.1", ports.zeo
        command = [sys.executable, "-m", zeo.__name__, "-a", f"127.0.0.1:{ports.zeo}", "-f"]
        server = stack.enter_context(
            Started([*command, tmp_path / "Data.fs"], stderr=subprocess.DEVNULL)
        )
        stack.callback(server.kill)
        database = DB(ClientStorage(address, wait_timeout=60))
        with database.transaction() as connection:
            for key in "ab":
                connection.root()[key] = PersistentMapping()
        database.close()
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, key, str(ports.zeo)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for key in "ab"
        ]
        assert [writer.communicate()[0] for writer in writers] == ["0\n", "0\n"]
        assert Path(uvloop.loop.__file__).name not in Path(f"/proc/{server.pid}/maps").read_text()
