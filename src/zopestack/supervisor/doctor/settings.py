"""Checks of what the user has asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from zopestack.backups import jobs
from zopestack.features.instances import RECOMMENDED_THREADS, Instance
from zopestack.features.storage import ADDRESS
from zopestack.supervisor.doctor.finding import Finding, Severity, check
from zopestack.supervisor.doctor.look import Look

#: Options whose addresses are there for everybody.
FRONT = ("http-address", "https-address")

#: How zope.conf says it (Zope's own ``wsgischema.xml``).
DEBUG = re.compile(r"^\s*debug-mode\s+(on|true|yes|1)\s*$", re.MULTILINE | re.IGNORECASE)

#: How late a job may begin: as late as ``schedule`` looks (``zopestack.supervisor.schedule``), and
#: as long as another job may take.
LATE = timedelta(hours=3)


@check
def threads(look: Look) -> Iterator[Finding]:
    """Threads that only wait for the interpreter lock."""
    many = [each for each in look.stack.instances if each.threads > RECOMMENDED_THREADS]
    if many:
        yield Finding(
            Severity.ADVICE,
            f"{many[0].threads} threads of {_names(many)} wait for one interpreter lock",
            f"threads = {RECOMMENDED_THREADS}, and more instances",
        )


@check
def debug_mode(look: Look) -> Iterator[Finding]:
    """Instances in Zope's debug mode, which looks at every file again for each request."""
    found = []
    for instance in look.stack.instances:
        conf = look.stack.parts / instance.name / "etc/zope.conf"
        if conf.exists() and DEBUG.search(conf.read_text("utf-8")):
            found.append(instance)
    if found:
        yield Finding(
            Severity.WARNING,
            f"debug mode makes {_names(found)} slow, and shows tracebacks to visitors",
            "debug-mode = off in [instance]",
        )


@check
def open_ports(look: Look) -> Iterator[Finding]:
    """Ports other than the site's that other machines reach."""
    # With TLS, ZEO asks for certificates.
    meant = (*FRONT, ADDRESS) if look.stack.storage.ssl else FRONT
    for listener in look.stack.listeners():
        if listener.address.host in look.stack.hosts.addresses:
            # It answers the stack's own hosts only.
            continue
        if listener.option not in meant and not listener.address.loopback:
            yield Finding(
                Severity.WARNING,
                f"{listener.process} listens on {listener.address}, for other machines too",
                f"an address on loopback as {listener.option} in [{listener.section}], or a "
                "firewall",
            )


@check
def backups(look: Look) -> Iterator[Finding]:
    """Databases that nobody backs up, and backups that fail or are too old."""
    stack = look.stack
    if not stack.filestorages:
        return
    if not stack.backups.backup and "backup" not in jobs.load(stack):
        yield Finding(
            Severity.WARNING,
            "there is no backup of the database, and none is planned",
            "backup = daily keep 14",
        )
    now = datetime.now()
    due = jobs.next_times(stack, now)
    for name, job in jobs.load(stack).items():
        if job.failed:
            yield Finding(
                Severity.ERROR,
                f"the last {name} has failed: {job.failed}",
                f"mend that, then bin/{name}",
            )
        elif name in due and now - due[name] > LATE:
            yield Finding(
                Severity.ERROR,
                f"a {name} was due at {due[name]:{jobs.MINUTE}} and has not begun",
                "bin/supervisorctl status schedule",
            )


def _names(instances: Sequence[Instance]) -> str:
    return ", ".join(each.name for each in instances)
