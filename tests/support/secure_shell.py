"""Hosts that reach each other by OpenSSH, with keys and a configuration of the test's own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.support.network import Machine
from tests.support.polling import until

SERVER = "/usr/sbin/sshd"


def start(hosts: Iterable[Machine], directory: Path) -> Path:
    """Start a server on each host; the directory of an ``ssh`` that reaches them unasked."""
    keys = directory / "ssh"
    keys.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name], check=True
        )
    (keys / "sshd_config").write_text(
        f"HostKey {keys}/host\nAuthorizedKeysFile {keys}/user.pub\nStrictModes no\nUsePAM no\n"
        "PidFile none\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
    )
    (keys / "known_hosts").write_text(f"* {(keys / 'host.pub').read_text()}")
    (keys / "config").write_text(
        f"IdentityFile {keys}/user\nUserKnownHostsFile {keys}/known_hosts\n"
    )
    command = keys / "ssh"
    command.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {keys}/config "$@"\n')
    command.chmod(0o755)
    for host in hosts:
        serve(host)
    return keys


def serve(host: Machine) -> None:
    """Start a host's server."""
    host.run("mkdir", "-p", "/run/sshd")
    # It goes into the background when it listens.
    host.run(SERVER, "-f", host.directory.parent / "ssh/sshd_config")


def stop(host: Machine) -> None:
    """Stop it."""
    servers = [each for each in host.init.children(recursive=True) if each.name() == "sshd"]
    assert servers
    for each in servers:
        each.kill()
    until("no sshd", lambda: not any(each.is_running() for each in servers))
