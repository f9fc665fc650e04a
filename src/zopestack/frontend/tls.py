"""Certificates: what HAProxy will be given, checked before anything is put in place.

The standard library's ``ssl`` loads a certificate with its key exactly as OpenSSL in
HAProxy does, so it finds what HAProxy would, and says it in words of ours. Making a
self-signed one is the openssl program's work: a library for it would be the largest
dependency of all, for trying out only.
"""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from zopestack.frontend.model import Frontend

#: certbot's names in /etc/letsencrypt/live/NAME.
CHAIN, KEY = "fullchain.pem", "privkey.pem"

#: Files beside a certificate that HAProxy reads along with it (its manual, "crt").
COMPANIONS = (".key", ".ocsp", ".issuer", ".sctl", ".dh", ".dhparam")

#: Days a self-signed certificate is good for; browsers refuse more than 398.
DAYS = 365

#: Seconds openssl gets for one key.
PATIENCE = 60


class Unusable(Exception):
    """A certificate HAProxy cannot use; the message says what it takes."""


def check(given: Path) -> None:
    """Whether HAProxy can serve with a certificate file, or with those in a directory.

    :raises Unusable: where it cannot, with the file and the remedy.
    """
    try:
        for certificate, key in _pairs(given):
            _check_pair(certificate, key)
    except PermissionError as why:
        raise Unusable(
            f"files that the user who runs the stack may read; {why.filename} is not readable"
        ) from None


def is_certbot(given: Path) -> bool:
    """Whether a directory is one of certbot's, with the key in a file of its own."""
    return (given / CHAIN).exists() and (given / KEY).exists()


def prepare(frontend: Frontend) -> None:
    """Put in place what HAProxy is given of a certificate that it cannot take as it is.

    :raises Unusable: where a certificate is to be made and cannot.
    """
    if frontend.tls is None:
        return
    if frontend.tls.self_signed:
        hosts = [site.host.partition(":")[0] for site in frontend.sites if site.host != "*"]
        hosts += [redirect.host.partition(":")[0] for redirect in frontend.redirects]
        make_self_signed(frontend.tls.certificate, hosts)
    elif frontend.tls.source:
        link_certbot(frontend.tls.source, frontend.tls.certificate)


def link_certbot(given: Path, certificate: Path) -> None:
    """Show certbot's two files to HAProxy under the names it wants, ``x`` and ``x.key``.

    Links, so that no key is copied and a renewed certificate is found at the next reload.
    """
    certificate.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for link, target in ((certificate, CHAIN), (_key_of(certificate), KEY)):
        if link.is_symlink() and link.readlink() == given / target:
            continue
        link.unlink(missing_ok=True)
        link.symlink_to(given / target)


def make_self_signed(certificate: Path, hosts: Iterable[str]) -> None:
    """Make a certificate for trying out, unless it is there.

    :param hosts: names it is for, beside localhost.
    :raises Unusable: where there is no openssl.
    """
    if certificate.exists():
        return
    certificate.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = ",".join(f"DNS:{host}" for host in ("localhost", *sorted(set(hosts))))
    command = ["openssl", "req", "-x509", "-nodes"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-days", str(DAYS), "-subj", "/CN=zopestack self-signed"]
    command += ["-addext", f"subjectAltName={names},IP:127.0.0.1,IP:::1"]
    # The key comes first, so that a certificate that is there has one.
    command += ["-keyout", str(_key_of(certificate)), "-out", str(certificate)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False, umask=0o077
        )
    except FileNotFoundError:
        raise Unusable(
            "a certificate of yours, or the openssl program to make one (apt-get install openssl)"
        ) from None
    if done.returncode:
        raise Unusable(f"a certificate of yours; openssl could not make one: {done.stderr.strip()}")


def _key_of(certificate: Path) -> Path:
    return certificate.with_name(f"{certificate.name}.key")


def _pairs(given: Path) -> Iterator[tuple[Path, Path]]:
    """Certificates and where their keys are."""
    if is_certbot(given):
        yield given / CHAIN, given / KEY
        return
    for file in _files(given):
        beside = file.with_name(f"{file.name}.key")
        yield file, beside if beside.exists() else file


def _files(given: Path) -> list[Path]:
    if given.is_dir():
        files = [
            each
            for each in sorted(given.iterdir())
            if each.is_file() and each.suffix not in COMPANIONS and not each.name.startswith(".")
        ]
        if not files:
            raise Unusable(f"a file or directory with a certificate; {given} is empty")
        return files
    if not given.exists():
        raise Unusable(f"a PEM file or a directory of them; there is no {given}")
    return [given]


def _check_pair(certificate: Path, key: Path) -> None:
    for file in (certificate, key):
        # ssl does not say which of the two.
        file.open().close()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, _passphrase)
    except ssl.SSLError as why:
        raise Unusable(_reason(certificate, key, why)) from None


def _passphrase() -> str:
    raise Unusable("a key without a passphrase, since nobody is there to type it at a restart")


def _reason(certificate: Path, key: Path, why: ssl.SSLError) -> str:
    if why.reason == "KEY_VALUES_MISMATCH":
        return f"a certificate and its own key; the key in {key} belongs to another certificate"
    if b"PRIVATE KEY" not in key.read_bytes():
        return (
            f"a PEM file with the certificate, its chain and the private key; {certificate} "
            "has no private key, nor is one beside it in a file of the same name and .key"
        )
    if b"BEGIN CERTIFICATE" not in certificate.read_bytes():
        return f"a PEM file with a certificate; {certificate} has none"
    return f"a PEM file with a certificate and its key; OpenSSL says of {certificate}: {why.reason}"
