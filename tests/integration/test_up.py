"""``scripts/up`` after bin/buildout: what it says of HAProxy's reload is what is."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.fetch import fetch
from tests.support.polling import PATIENCE, until
from tests.support.started import Started
from tests.support.supervised import CHECKOUT, Supervised
from zopestack import files
from zopestack.haproxy.runtime import Runtime
from zopestack.supervisor.health import ask

#: In the place of ZEO.
LISTEN = "import socket, time; s = socket.create_server(('{0.host}', {0.port})); time.sleep(10**6)"


class Site(Supervised):
    """A stack whose zeo listens and whose bin/buildout has nothing to do."""

    def configure(self, **options: object) -> None:
        """The same, with these two scripts."""
        super().configure(**options)
        listen = shlex.quote(LISTEN.format(self.stack.storage.zeo_address))
        interpreter = self.stack.parts / "instance1/bin/interpreter"
        files.write(interpreter, f"#!/bin/sh\nexec {sys.executable} -c {listen}\n", mode=0o755)
        files.write(self.stack.bin / "buildout", "#!/bin/sh\n", mode=0o755)

    def begin(self, first: str = ":", *around: str) -> Started[str]:
        """Start scripts/up; its output, stderr with stdout, is a pipe.

        :param first: what the shell does before.
        :param around: a command that runs the shell.
        """
        script = f"{first}; exec {sys.executable} -m zopestack.supervisor.up"
        return Started(
            [*around, "sh", "-c", script],
            cwd=self.directory,
            env={**self.environment, "PYTHONPATH": str(CHECKOUT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, up: Started[str]) -> str:
        """Wait for it, and return what it has said."""
        said, _ = up.communicate(timeout=PATIENCE)
        return said


#: A network of its own, which only has IPv4.
NO_IPV6 = ("unshare", "--map-root-user", "--net")

WITHOUT_IPV6 = "ip link set lo up; sysctl -qw net.ipv6.conf.all.disable_ipv6=1"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(instances=1) as running:
        with running.begin() as up:
            said = running.finish(up)
        assert up.returncode == 0, said
        assert "The stack is up" in said
        yield running


def test_after_a_shutdown_it_waits_for_the_end(tmp_path: Path) -> None:
    with Site(instances=1) as site:
        site.start()
        (one,) = site.stack.instances
        released = tmp_path / "released"
        with ThreadPoolExecutor() as executor:
            visitor = executor.submit(fetch, one.address, f"/hold{released}")
            until("it to be busy", lambda: ask(one), lambda found: found and found.busy == 1)
            assert site.supervisorctl("shutdown").returncode == 0
            refused = site.supervisorctl("status")
            assert refused.returncode == 4
            assert "supervisord refuses it: SHUTDOWN_STATE" in refused.stdout
            with site.begin() as up:
                assert up.stdout
                until("it to wait", up.stdout.readline, lambda line: "shutting down" in line)
                released.touch()
                said = site.finish(up)
            assert visitor.result().status == 200
        assert up.returncode == 0, said
        assert "The stack is up" in said


@pytest.mark.parametrize(
    ("first", "around"),
    [
        ("umask 077; ulimit -n 1024; export LC_ALL=POSIX", ()),
        (WITHOUT_IPV6, NO_IPV6),
    ],
)
def test_it_comes_up_in_an_odd_environment(first: str, around: tuple[str, ...]) -> None:
    tried = subprocess.run([*around, "sh", "-c", first], check=False)
    if tried.returncode:
        pytest.skip("this user may not have a network of its own")
    with Site(instances=1, max_connections=300) as site:
        site.configure(http_address=f"*:{site.stack.balancer.local_address.port}")
        with site.begin(first, *around) as up:
            said = site.finish(up)
        assert up.returncode == 0, said
        assert "The stack is up" in said


def test_without_ipv6_one_line_says_what_to_change() -> None:
    if subprocess.run([*NO_IPV6, "sh", "-c", WITHOUT_IPV6], check=False).returncode:
        pytest.skip("this user may not have a network of its own")
    with Site(instances=1) as site:
        address = f"[::1]:{site.stack.balancer.local_address.port}"
        site.configure(http_address=address)
        with site.begin(WITHOUT_IPV6, *NO_IPV6) as up:
            said = site.finish(up)
    assert up.returncode == 1
    assert said.splitlines()[1:] == [
        f"haproxy cannot listen on {address}: this machine has no such address. "
        "Change http-address in [stack]."
    ]


def test_a_reload_is_waited_for(site: Site, tmp_path: Path) -> None:
    usual, slow = site.stack.balancer.executable, tmp_path / "haproxy"
    slow.write_text(
        "#!/bin/sh\n"
        f"case $1 in -c) until test -e {tmp_path}/released; do sleep 0.1; done ;; esac\n"
        f'exec {usual} "$@"\n'
    )
    slow.chmod(0o755)
    worker = Runtime(site.stack.haproxy_socket).worker()
    site.configure(haproxy=slow)
    with site.begin() as up:
        until("the start", lambda: site.states()["haproxy-reload"], "RUNNING".__ne__)
        until("it to count as started", lambda: site.states()["haproxy-reload"], "RUNNING".__eq__)
        assert up.poll() is None
        (tmp_path / "released").touch()
        said = site.finish(up)
    assert up.returncode == 0, said
    assert Runtime(site.stack.haproxy_socket).worker() != worker
    site.configure(haproxy=usual)


def test_it_fails_with_the_reason_until_that_is_mended(site: Site) -> None:
    site.configure(timeout_queue="8s")
    good = site.stack.haproxy_conf.read_text()
    site.stack.haproxy_conf.write_text(good.replace("mode http", "mode gopher"))
    # What update finds, and what was found before.
    for _ in range(2):
        with site.begin() as up:
            said = site.finish(up)
        assert up.returncode == 1
        assert "Reload refused; HAProxy keeps its current configuration" in said
        assert "gopher" in said
        assert "The stack is up" not in said
    site.stack.haproxy_conf.write_text(good)
    with site.begin() as up:
        said = site.finish(up)
    assert up.returncode == 0, said
