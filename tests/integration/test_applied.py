"""What ``update`` says of HAProxy's new files is what is."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import describe
from tests.support.polling import PATIENCE, until
from tests.support.supervised import CHECKOUT, Supervised
from zopestack.haproxy.runtime import Runtime


@pytest.fixture(scope="module")
def stack() -> Iterator[Supervised]:
    with Supervised(idle=True) as running:
        running.start()
        until("HAProxy", lambda: running.log("haproxy-reload"))
        yield running


def test_an_update_returns_when_the_new_files_are_in_force(stack: Supervised) -> None:
    stack.configure(timeout_queue="7s")
    worker = Runtime(stack.stack.haproxy_socket).worker()
    done = stack.supervisorctl("update")
    assert done.returncode == 0, done.stdout
    assert Runtime(stack.stack.haproxy_socket).worker() != worker


def test_an_update_fails_with_the_reason_and_again_until_it_is_mended(stack: Supervised) -> None:
    stack.configure(timeout_queue="8s")
    good = stack.stack.haproxy_conf.read_text()
    stack.stack.haproxy_conf.write_text(good.replace("mode http", "mode gopher"))
    worker = Runtime(stack.stack.haproxy_socket).worker()
    for _ in range(2):
        done = stack.supervisorctl("update")
        assert done.returncode != 0
        assert "update: Reload refused; HAProxy keeps its current configuration" in done.stdout
        assert "gopher" in done.stdout
    stack.stack.haproxy_conf.write_text(good)
    assert Runtime(stack.stack.haproxy_socket).worker() == worker
    assert stack.supervisorctl("update").returncode == 0
    assert Runtime(stack.stack.haproxy_socket).worker() != worker


def test_a_restart_of_the_reload_fails_however_long_that_takes(
    stack: Supervised, tmp_path: Path
) -> None:
    """supervisord calls it started after 3 s."""
    usual = stack.stack.balancer.executable
    slow = tmp_path / "haproxy"
    slow.write_text(
        "#!/bin/sh\n"
        f"case $1 in -c) until test -e {tmp_path}/released; do sleep 0.1; done\n"
        "echo refused at last >&2; exit 1;; esac\n"
        f'exec {usual} "$@"\n'
    )
    slow.chmod(0o755)
    stack.configure(haproxy=slow)
    with stack.popen("restart", "haproxy-reload") as operator:
        until("the start", lambda: stack.states()["haproxy-reload"], "RUNNING".__ne__)
        until("it to count as started", lambda: stack.states()["haproxy-reload"], "RUNNING".__eq__)
        (tmp_path / "released").touch()
        said, _ = operator.communicate(timeout=PATIENCE)
    assert operator.returncode != 0
    assert "Reload refused; HAProxy keeps its current configuration: refused at last" in said
    stack.configure(haproxy=usual)
    done = stack.supervisorctl("restart", "haproxy-reload")
    assert done.returncode == 0, done.stdout


def test_too_few_descriptors_are_refused_before_anything_is_written(home: Path) -> None:
    code = (
        "import pathlib, resource, sys; from tests.support import describe\n"
        "from zopestack.buildout import trial\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3000, 3000))\n"
        "trial.check(describe.read(pathlib.Path(sys.argv[1])), {}, 'stack', {})"
    )
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] > 3000
    done = subprocess.run(
        [sys.executable, "-c", code, home],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "[stack] max-connections = auto\n" in done.stderr
    assert "file descriptors for 2000 connections, and may have 3000" in done.stderr
    most = re.search(r"lower max-connections to (\d+) or less", done.stderr)
    assert most
    options = {"max-connections": most[1]}
    assert 2998 < describe.read(home, options).descriptors <= 3000
    assert not [*home.iterdir()]
