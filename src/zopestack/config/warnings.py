"""What works, but is probably not what the user wants: said in the log of bin/buildout."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from zopestack import mail
from zopestack.config.errors import Place, Places
from zopestack.config.overrides import Section
from zopestack.features import certificates, webroot
from zopestack.features.instances import RECOMMENDED_THREADS
from zopestack.model import Stack
from zopestack.render.own_programs import own_programs

logger = logging.getLogger(__name__)


def warn(stack: Stack, sections: Mapping[str, Section], places: Places) -> None:
    """Log every warning about a Stack and the user's own sections.

    :param places: of the options that are written elsewhere than in a section of that name.
    """
    of_stack = (_threads, _files, _mail, _own_programs)
    found = (one for each in of_stack for one in each(stack))
    for warning in (*_check_interval(sections, places), *found):
        logger.warning(warning)


def _threads(stack: Stack) -> Iterator[str]:
    for instance in stack.instances:
        if instance.threads > RECOMMENDED_THREADS:
            yield (
                f"{instance.name} has {instance.threads} threads: more than "
                f"{RECOMMENDED_THREADS} compete for one interpreter lock and slow each other "
                "down; more instances are faster."
            )


def _check_interval(sections: Mapping[str, Section], places: Places) -> Iterator[str]:
    option = "python-check-interval"
    for section, given in sections.items():
        if option in given:
            place = places.get((section, option), Place(section))
            yield (
                f"[{place.section}] {option}: nothing reads it since Python 3.2. Use "
                "switch-interval, in [stack] or in this section; scripts/tune measures it."
            )


def _files(stack: Stack) -> Iterator[str]:
    certificate = stack.tls.tls_certificate
    if certificate and certificate.path:
        for objection in certificates.objections(certificate.path, stack.sites.hosts):
            yield f"tls-certificate: {objection}. Browsers will warn of it."
    if stack.acme.directory:
        for objection in webroot.objections(stack.acme.directory):
            yield (
                f"acme-challenge: {objection}. Whoever can write there can block HAProxy with a "
                "named pipe."
            )


def _mail(stack: Stack) -> Iterator[str]:
    path = f"{os.environ.get('PATH', os.defpath)}:{mail.PLACES}"
    if stack.lifecycle.guard_mail and not shutil.which(mail.SENDMAIL[0], path=path):
        yield f"guard-mail: this machine has no {mail.SENDMAIL[0]}; no mail will be sent."


def _own_programs(stack: Stack) -> Iterator[str]:
    """What is not there to be run, or to run in; another part may make what is in the buildout."""
    for own in own_programs(stack, {}):
        command, directory = Path(shlex.split(own.command)[0]), Path(own.directory)
        if not command.is_relative_to(stack.directory) and not shutil.which(command):
            yield f"[supervisor] {own.name}: there is no program {command}; it will not start."
        if not directory.is_relative_to(stack.directory) and not directory.is_dir():
            yield f"[supervisor] {own.name}: there is no directory {directory}; it will not start."
