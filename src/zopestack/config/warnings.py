"""What works, but is probably not what the user wants: said in the log of bin/buildout."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from zopestack.config.overrides import Section
from zopestack.features import certificates, webroot
from zopestack.model import Stack

logger = logging.getLogger(__name__)

#: More threads of one process spend their time on the interpreter lock
#: (docs/explanation/measured.rst, "The claim the project starts from").
RECOMMENDED_THREADS = 2


def warn(stack: Stack, sections: Mapping[str, Section]) -> None:
    """Log every warning about a Stack and the user's own sections."""
    for warning in (*_threads(stack), *_check_interval(sections), *_files(stack)):
        logger.warning(warning)


def _threads(stack: Stack) -> Iterator[str]:
    for instance in stack.instances:
        if instance.threads > RECOMMENDED_THREADS:
            yield (
                f"{instance.name} has {instance.threads} threads: more than "
                f"{RECOMMENDED_THREADS} compete for one interpreter lock and slow each other "
                "down; more instances are faster."
            )


def _check_interval(sections: Mapping[str, Section]) -> Iterator[str]:
    for section, given in sections.items():
        if "python-check-interval" in given:
            yield (
                f"[{section}] python-check-interval: nothing reads it since Python 3.2. Use "
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
