"""Certificates that HAProxy cannot take as they are: made, or linked, before it starts.

The openssl program makes a self-signed certificate: a library for it would be the largest
dependency of all, for trying out only.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from zopestack.features.certificates import CHAIN, KEY, Unusable, check, objections
from zopestack.files import link, write
from zopestack.model import Stack

#: Days a self-signed certificate is valid; browsers refuse more than 398.
DAYS = 365

#: Seconds openssl gets for one key.
PATIENCE = 60


def material(stack: Stack) -> dict[Path, str | Path]:
    """What has to be put in place before HAProxy finds its certificate: the text of a file, or
    the target of a link. Nothing is written.

    :raises Unusable: where a certificate is to be made and cannot.
    """
    certificate, given = stack.certificate, stack.tls.tls_certificate
    if certificate is None or given is None:
        return {}
    if stack.tls.self_signed:
        names = stack.sites.hosts
        if _still_good(certificate, names):
            return {}
        chain, key = _self_signed(names)
        # The key comes first, so that a certificate that is there has one.
        return {_key_of(certificate): key, certificate: chain}
    if given.certbot and given.path:
        # Links, so that no key is copied and a reload finds a renewed certificate.
        return {_key_of(certificate): given.path / KEY, certificate: given.path / CHAIN}
    return {}


def put(made: Mapping[Path, str | Path]) -> None:
    """Put in place what :func:`material` has found missing.

    :raises OSError: where it cannot be written.
    """
    for path, content in made.items():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if isinstance(content, Path):
            link(path, content)
        else:
            write(path, content, mode=0o600)


def make_self_signed(certificate: Path, names: Iterable[str]) -> None:
    """Make a certificate for trying out, with its key beside it, unless it is there.

    :param names: of hosts it is for, beside localhost.
    :raises Unusable: where there is no openssl.
    """
    if not certificate.exists():
        chain, key = _self_signed(names)
        put({_key_of(certificate): key, certificate: chain})


def _still_good(certificate: Path, names: Iterable[str]) -> bool:
    try:
        check(certificate)
    except Unusable:
        return False
    return not any(objections(certificate, names))


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
                "your own certificate, or the openssl program to make one (apt-get install openssl)"
            ) from None
        if done.returncode:
            raise Unusable(
                f"your own certificate; openssl could not make one: {done.stderr.strip()}"
            )
        return chain.read_text(), key.read_text()


def _key_of(certificate: Path) -> Path:
    return certificate.with_name(f"{certificate.name}.key")
