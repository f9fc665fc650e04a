"""Certificate files: whether HAProxy can serve with them, and what browsers will object to.

The standard library's ``ssl`` loads a certificate with its key exactly as OpenSSL in HAProxy
does, so it finds what HAProxy would, and the message can name the remedy.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path

#: certbot's names in /etc/letsencrypt/live/NAME.
CHAIN, KEY = "fullchain.pem", "privkey.pem"

#: Files beside a certificate that HAProxy reads along with it (its manual, "crt").
COMPANIONS = (".key", ".ocsp", ".issuer", ".sctl", ".dh", ".dhparam")

#: OpenSSL's numbers for a certificate that is for another name or address (its verify(1)).
MISMATCHES = (62, 64)

#: How often each end of a handshake gets its turn; TLS 1.3 needs two.
FLIGHTS = 5


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
    except OSError as why:
        # Such as a name that is too long.
        raise Unusable(f"a PEM file or a directory of them; {why}") from None


def is_certbot(given: Path) -> bool:
    """Whether a directory is one of certbot's, with the key in a file of its own."""
    return (given / CHAIN).exists() and (given / KEY).exists()


def files(certificate: Path) -> Iterator[Path]:
    """Every file that HAProxy reads for a certificate, or for a directory of such."""
    yield certificate
    if certificate.is_dir():
        yield from certificate.iterdir()
    for suffix in COMPANIONS:
        yield certificate.with_name(f"{certificate.name}{suffix}")


def objections(given: Path, names: Iterable[str]) -> Iterator[str]:
    """What a browser would say of good certificates: too old, too new, for another host.

    :param names: of hosts that one of them should be for.
    """
    pairs = list(_pairs(given))
    uncovered = set(names)
    for certificate, key in pairs:
        if refused := _refused(certificate, key):
            yield f"{certificate}: {refused.verify_message}"
        for name in list(uncovered):
            refused = _refused(certificate, key, name)
            if refused is None or refused.verify_code not in MISMATCHES:
                uncovered.remove(name)
    for name in sorted(uncovered):
        yield f"{given}: no certificate for {name}"


def _refused(
    certificate: Path, key: Path, name: str | None = None
) -> ssl.SSLCertVerificationError | None:
    """What a client that trusts the certificate still has against it.

    The standard library shows no other way to read one.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = name is not None
    client.load_verify_locations(certificate)
    # Whoever has issued it: that the certificate itself is trusted is enough.
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return handshake(client, server, name)


def handshake(
    client: ssl.SSLContext, server: ssl.SSLContext, name: str | None
) -> ssl.SSLCertVerificationError | None:
    """Have two ends shake hands in memory, and return what one has against the other.

    :param name: of the server's host, for the client.
    """
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(back, there, server_hostname=name),
        server.wrap_bio(there, back, server_side=True),
    )
    for _ in range(FLIGHTS):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError as why:
                return why
    return None


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
        beside = f"there is no {certificate.name}.key beside it"
        raise Unusable(reason(certificate, key, why, beside)) from None


def _passphrase() -> str:
    raise Unusable("a key without a passphrase, since nobody can type it at a restart")


def reason(certificate: Path, key: Path, why: ssl.SSLError, without: str) -> str:
    """What is expected where OpenSSL does not load a certificate with its key.

    :param without: why there is no other file with the key.
    """
    if why.reason == "KEY_VALUES_MISMATCH":
        return f"a certificate and its own key; the key in {key} belongs to another certificate"
    if b"PRIVATE KEY" not in key.read_bytes():
        return (
            f"a PEM file with the certificate, its chain and the private key; {certificate} "
            f"has no private key, and {without}"
        )
    if b"BEGIN CERTIFICATE" not in certificate.read_bytes():
        return f"a PEM file with a certificate; {certificate} has none"
    return f"a PEM file with a certificate and its key; OpenSSL says of {certificate}: {why.reason}"
