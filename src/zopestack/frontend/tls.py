"""Certificates: what HAProxy will be given, checked before anything is put in place.

The standard library's ``ssl`` loads a certificate with its key exactly as OpenSSL in
HAProxy does, so it finds what HAProxy would, and says it in words of ours. Making a
self-signed one is the openssl program's work: a library for it would be the largest
dependency of all, for trying out only.
"""

from __future__ import annotations

import ssl
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from zopestack.files import link, write
from zopestack.frontend.model import Frontend, Tls

#: certbot's names in /etc/letsencrypt/live/NAME.
CHAIN, KEY = "fullchain.pem", "privkey.pem"

#: Files beside a certificate that HAProxy reads along with it (its manual, "crt").
COMPANIONS = (".key", ".ocsp", ".issuer", ".sctl", ".dh", ".dhparam")

#: Days a self-signed certificate is good for; browsers refuse more than 398.
DAYS = 365

#: Seconds openssl gets for one key.
PATIENCE = 60

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


def is_certbot(given: Path) -> bool:
    """Whether a directory is one of certbot's, with the key in a file of its own."""
    return (given / CHAIN).exists() and (given / KEY).exists()


def files(tls: Tls) -> Iterator[Path]:
    """All that HAProxy reads for https."""
    yield tls.certificate
    if tls.certificate.is_dir():
        yield from tls.certificate.iterdir()
    for suffix in COMPANIONS:
        yield tls.certificate.with_name(f"{tls.certificate.name}{suffix}")


def material(frontend: Frontend) -> dict[Path, str | Path]:
    """What has to be put in place of a certificate that HAProxy cannot take as it is: the
    text of a file, or where a link leads. Nothing is written.

    :raises Unusable: where a certificate is to be made and cannot.
    """
    if frontend.tls is None:
        return {}
    certificate = frontend.tls.certificate
    if frontend.tls.self_signed:
        names = hosts(frontend)
        if _still_good(certificate, names):
            return {}
        chain, key = _self_signed(names)
        # The key comes first, so that a certificate that is there has one.
        return {_key_of(certificate): key, certificate: chain}
    if source := frontend.tls.source:
        # Links, so that no key is copied and a renewed certificate is found at a reload.
        return {_key_of(certificate): source / KEY, certificate: source / CHAIN}
    return {}


def put(made: Mapping[Path, str | Path]) -> None:
    """Put in place what :func:`material` has found wanting.

    :raises OSError: where that cannot be written.
    """
    for path, content in made.items():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if isinstance(content, Path):
            link(path, content)
        else:
            write(path, content, mode=0o600)


def prepare(frontend: Frontend) -> None:
    """Both in one: HAProxy then finds its certificate.

    :raises Unusable: where a certificate is to be made and cannot.
    """
    put(material(frontend))


def make_self_signed(certificate: Path, names: Iterable[str]) -> None:
    """Make a certificate for trying out, with its key beside it, unless it is there.

    :param names: of hosts it is for, beside localhost.
    :raises Unusable: where there is no openssl.
    """
    if not certificate.exists():
        chain, key = _self_signed(names)
        put({_key_of(certificate): key, certificate: chain})


def hosts(frontend: Frontend) -> list[str]:
    """The host names that visitors use, without ports."""
    named = {site.host for site in frontend.sites if site.host != "*"}
    named |= {redirect.host for redirect in frontend.redirects}
    return sorted({host.partition(":")[0] for host in named})


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


def _still_good(certificate: Path, names: Iterable[str]) -> bool:
    try:
        check(certificate)
    except Unusable:
        return False
    return not any(objections(certificate, names))


def _refused(
    certificate: Path, key: Path, name: str | None = None
) -> ssl.SSLCertVerificationError | None:
    """What a client that trusts the certificate still has against it.

    Both ends shake hands in memory: the standard library shows no other way to read one.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = name is not None
    client.load_verify_locations(certificate)
    # Whoever has issued it: that the certificate itself is trusted is enough.
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
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


def _self_signed(names: Iterable[str]) -> tuple[str, str]:
    """A new certificate and its key, as PEM."""
    listed = ",".join(f"DNS:{name}" for name in ("localhost", *sorted(set(names))))
    command = ["openssl", "req", "-x509", "-nodes"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-days", str(DAYS), "-subj", "/CN=zopestack self-signed"]
    command += ["-addext", f"subjectAltName={listed},IP:127.0.0.1,IP:::1"]
    with tempfile.TemporaryDirectory(prefix="zopestack-") as directory:
        chain, key = Path(directory) / "chain", Path(directory) / "key"
        command += ["-keyout", str(key), "-out", str(chain)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=PATIENCE, check=False, umask=0o077
            )
        except FileNotFoundError:
            raise Unusable(
                "a certificate of yours, or the openssl program to make one "
                "(apt-get install openssl)"
            ) from None
        if done.returncode:
            raise Unusable(
                f"a certificate of yours; openssl could not make one: {done.stderr.strip()}"
            )
        return chain.read_text(), key.read_text()


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
