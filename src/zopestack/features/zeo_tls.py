"""Certificates of ZEO and its clients: whether the files can be what the options say.

The standard library's ``ssl`` reads them, as in ZEO itself. What depends on the other side, or on
code of the user's, is asked later (``zopestack.buildout.servers``).
"""

from __future__ import annotations

import re
import ssl
import stat
from pathlib import Path

from zopestack.features.certificates import Unusable, reason

#: How OpenSSL finds a certificate in a directory (its manual, ``openssl-rehash``).
HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")

#: Who may read a key: its owner; where that is root, a group as well, as PostgreSQL has it (its
#: manual, "Secure TCP/IP Connections with SSL").
OF_OTHERS, OF_OTHERS_THAN_THE_GROUP = 0o077, 0o027


def check_pair(certificate: Path, key: Path | None, password: bool) -> None:
    """Check a certificate and its key.

    :param key: its file, where that is another one.
    :param password: whether there is a password for the key, which is not asked for here.
    :raises Unusable: where they cannot be used.
    """
    private = key or certificate
    try:
        for file in (certificate, private):
            # ssl does not say which of the two.
            file.open().close()
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, _refuse)
    except _Encrypted:
        if not password:
            raise Unusable(
                f"zeo-password-function to be set, since the key in {private} has a password"
            ) from None
    except ssl.SSLError as why:
        raise Unusable(reason(certificate, private, why, "zeo-key names none")) from None
    except OSError as why:
        raise Unusable(f"a PEM file that you can read; {why}") from None
    _check_mode(private)


class _Encrypted(Exception):
    """A key has a password."""


def _refuse() -> str:
    raise _Encrypted


def _check_mode(key: Path) -> None:
    found = key.stat()
    foreign = OF_OTHERS_THAN_THE_GROUP if found.st_uid == 0 else OF_OTHERS
    if stat.S_IMODE(found.st_mode) & foreign:
        raise Unusable(f"a key that nobody else may read: chmod 600 {key}")


def check_authorities(given: Path) -> None:
    """Check a file of certificates, or a directory of them.

    :raises Unusable: where nobody could be recognized by it.
    """
    try:
        if given.is_dir():
            if not any(HASHED.fullmatch(each.name) for each in given.iterdir()):
                raise Unusable(
                    f"a directory in which OpenSSL finds a certificate: openssl rehash {given}"
                )
        else:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(given)
    except ssl.SSLError:
        raise Unusable(f"a PEM file with certificates of authorities; {given} has none") from None
    except OSError as why:
        raise Unusable(f"a PEM file or a directory of them; {why}") from None
