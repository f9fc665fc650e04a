"""Logs that the real logrotate renames, with the configuration that the reference shows."""

from __future__ import annotations

import getpass
import grp
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.support import describe, freeports
from tests.support.polling import until
from tests.support.started import Started
from tests.support.supervised import Supervised
from zopestack.log_file import LogFile
from zopestack.supervisor.client import Supervisor

PAGE = describe.CHECKOUT / "docs/reference/logs.rst"

ZEO = """\
<zeo>
  address 127.0.0.1:{port}
</zeo>
<mappingstorage 1>
</mappingstorage>
<eventlog>
  <logfile>
    path {log}
    max-size 5MB
    old-files 5
  </logfile>
</eventlog>
"""


def rotate(site: Path, state: Path) -> None:
    """Run logrotate as the page has it, for a site elsewhere and for this user."""
    found = re.search(r"   (/srv/mysite/var/log.*?\n   \}\n)", PAGE.read_text(), re.DOTALL)
    assert found
    account = f"su {getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name}"
    text = found[1].replace("/srv/mysite", str(site)).replace("su zope zope", account)
    configuration = state.with_suffix(".conf")
    configuration.write_text(text)
    configuration.chmod(0o644)
    path = f"{os.environ['PATH']}:/usr/sbin"
    subprocess.run(
        ["logrotate", "--force", "--state", state, configuration],
        env={**os.environ, "PATH": path},
        check=True,
    )


def test_supervisord_goes_on_with_new_files(home: Path) -> None:
    """Its own log, and one of a program."""
    with Supervised(instances=1) as stack:
        stack.start()
        logs = stack.stack.logs
        until("a line", lambda: stack.log("instance1"))
        before = {name: (logs / name).read_text() for name in ("instance1.out.log",)}
        (logs / "zeo.log").touch()
        rotate(stack.directory, home / "state")
        renamed = [*logs.glob("instance1.out.log-*")]
        assert len(renamed) == len([*logs.glob("supervisord.log-*")]) == 1
        until("new logs", lambda: (logs / "instance1.out.log").exists())
        supervisor = Supervisor(stack.stack.supervisor_socket)
        supervisor.rpc.stopProcess("instance1")
        assert "stopped: instance1" in (logs / "supervisord.log").read_text()
        supervisor.rpc.startProcess("instance1", False)
        until("its lines", lambda: stack.log("instance1"))
        assert renamed[0].read_text() == before["instance1.out.log"]


def test_supervisord_lives_on_where_a_log_cannot_be_made() -> None:
    """It goes on with the old files, and with new ones when that is mended."""
    with Supervised(instances=1) as stack:
        stack.start()
        logs = stack.stack.logs
        gone = logs.rename(logs.with_name("gone"))
        until(
            "it to notice",
            lambda: "a log cannot be opened again" in (gone / "supervisord.log").read_text(),
        )
        logs.mkdir()
        until("new logs", lambda: (logs / "supervisord.log").exists())
        assert Supervisor(stack.stack.supervisor_socket).running()


def test_an_instance_goes_on_with_a_new_file_and_rotates_it(home: Path) -> None:
    log = home / "instance1.log"
    handler = LogFile(str(log), maxBytes=100, backupCount=1)
    for text in ("one", "two", "three"):
        handler.emit(logging.makeLogRecord({"msg": text}))
        log.rename(home / text)
    assert [(home / name).read_text() for name in ("one", "two", "three")] == [
        "one\n",
        "two\n",
        "three\n",
    ]
    for text in ("x" * 90, "y" * 90):
        handler.emit(logging.makeLogRecord({"msg": text}))
    handler.close()
    assert (home / "instance1.log.1").read_text() == "x" * 90 + "\n"
    assert log.read_text() == "y" * 90 + "\n"


def test_zeo_goes_on_with_a_new_file_when_it_is_told(home: Path) -> None:
    ports, log = freeports.reserve(), home / "zeo.log"
    (home / "zeo.conf").write_text(ZEO.format(port=ports.base, log=log))
    with Started([sys.executable, "-m", "ZEO.runzeo", "-C", home / "zeo.conf"]) as zeo:
        until("it to listen", lambda: log.exists() and "listening on" in log.read_text())
        log.rename(home / "zeo.log-20261127")
        zeo.send_signal(signal.SIGUSR2)
        until("the new log", lambda: log.exists() and "reopened" in log.read_text())
        zeo.terminate()
    assert "reopened" not in (home / "zeo.log-20261127").read_text()
    ports.release()
