"""What the main database is kept in, and how instances reach it."""

from __future__ import annotations

import ipaddress
import os
import re
from enum import StrEnum
from pathlib import Path

from zopestack.features import parsers, zeo_tls
from zopestack.features.address import Address
from zopestack.features.certificates import Unusable
from zopestack.features.option import Feature, Refused, feature, option


class Kind(StrEnum):
    """Where the main database is.

    ZEO: in a FileStorage that a database server of this stack serves. RELSTORAGE: in PostgreSQL,
    MySQL or SQLite. EXTERNAL: with a ZEO server that this stack does not run.
    """

    ZEO = "zeo"
    RELSTORAGE = "relstorage"
    EXTERNAL = "external"


HOST = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")

#: What Python imports: a module, and a function in it.
FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)

#: What ZODB writes into a directory of blobs when it makes one (ZODB 6, ``blob.py``).
LAYOUT = ".layout"

#: Options that several checks name.
ADDRESS, CERTIFICATE, AUTHENTICATE = "zeo-address", "zeo-certificate", "zeo-authenticate"

#: Where a server of the stack listens: above the ports of 256 instances; 8100, the default of
#: Zope's recipes, is not.
LISTENS = "127.0.0.1:8400"


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        raise ValueError(", ".join(Kind)) from None


def _server(text: str) -> Address:
    """An address, or the name of another machine with a port."""
    host, _, number = text.rpartition(":")
    if host != "localhost" and HOST.fullmatch(host):
        try:
            return Address(host, parsers.port(number))
        except ValueError as why:
            raise ValueError(f"an address like zeo.example.com:8400; the port is {why}") from None
    return parsers.address(text)


def _function(text: str) -> str:
    if text and not FUNCTION.fullmatch(text):
        raise ValueError("a function that can be imported, such as my.module.password")
    return text


def _host(text: str) -> str:
    if not text or HOST.fullmatch(text):
        return text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("a host name without a port, or an IP address") from None


@feature
class Storage(Feature):
    """ZEO, RelStorage, or a ZEO elsewhere."""

    storage: Kind = option(
        _kind,
        Kind.ZEO,
        "What keeps the database: ``zeo``, a server of this stack; ``relstorage``, a relational "
        "database; ``external``, a ZEO server elsewhere. See :doc:`/howto/storage`.",
    )
    zeo_address: Address = option(
        _server,
        LISTENS,
        "Where the database server listens.",
    )
    zeo_certificate: Path | None = option(
        parsers.optional_path,
        "",
        "PEM file with the certificate that this stack shows in TLS with ZEO, and its key. ZEO "
        "uses TLS where it is set.",
    )
    zeo_key: Path | None = option(
        parsers.optional_path,
        "",
        "PEM file with the key of ``zeo-certificate``, unless that file has it.",
    )
    zeo_password_function: str = option(
        _function,
        "",
        "Function that returns the password of that key, such as ``my.module.password``, from one "
        "of the eggs.",
    )
    zeo_authenticate: Path | None = option(
        parsers.optional_path,
        "",
        "PEM file, or a directory made by ``openssl rehash``, with the authorities whose "
        "certificates are accepted from the other side; by default, for ``storage = external``, "
        "those that this machine trusts.",
    )
    zeo_check_hostname: bool = option(
        parsers.switch,
        "on",
        "Whether the certificate of the ZEO server has to be for its host in ``zeo-address``.",
    )
    zeo_server_hostname: str = option(
        _host, "", "The host that this certificate has to be for instead."
    )
    shared_blob: bool = option(
        parsers.switch,
        "off",
        "With ``storage = external``: whether ``blob-storage`` is the server's own directory, such "
        "as on NFS, and not one for copies.",
    )
    blob_storage: Path | None = option(
        parsers.optional_path,
        "",
        "With ``storage = external``: the directory of the blobs; by default ``blobcache`` in "
        "``var``, for copies.",
    )

    def check(self) -> None:
        """Check the options against each other, and the files that they name.

        :raises Refused: for the first that cannot be used.
        """
        self._check_in_use()
        self._check_address()
        self._check_tls()
        if self.shared_blob:
            check_shared(self.blob_storage)

    def _check_in_use(self) -> None:
        if self.relational:
            for name, given in (
                (ADDRESS, self.zeo_address != _server(LISTENS)),
                (CERTIFICATE, self.zeo_certificate),
            ):
                if given:
                    raise Refused(name, f"nothing with storage = {self.storage}, which has no ZEO")
        if self.storage != Kind.EXTERNAL:
            if self.blob_storage:
                raise Refused("blob-storage", f"nothing with storage = {self.storage}: set var")
            if self.shared_blob:
                raise Refused("shared-blob", f"nothing with storage = {self.storage}")
        if self.shared_blob and not self.blob_storage:
            raise Refused("shared-blob", "blob-storage to be set: the directory of the server")

    def _check_address(self) -> None:
        """Check that only those reach a server of this stack who may."""
        if self.storage == Kind.EXTERNAL:
            if self.zeo_address.wildcard:
                raise Refused(ADDRESS, "the address of one server")
        elif self.zeo_address.wildcard or HOST.fullmatch(self.zeo_address.host):
            raise Refused(ADDRESS, self._accepted("an IP address of this machine"))
        elif not self.zeo_address.loopback and not self.zeo_certificate:
            raise Refused(ADDRESS, self._accepted("an address of this machine"))

    def _accepted(self, served: str) -> str:
        return (
            f"an address on loopback, like {LISTENS}, since it has no password; with "
            f"{CERTIFICATE} and {AUTHENTICATE}, {served}; a server elsewhere takes storage = "
            f"{Kind.EXTERNAL}"
        )

    def _check_tls(self) -> None:
        if not self.zeo_certificate:
            for name, given in (
                ("zeo-key", self.zeo_key),
                ("zeo-password-function", self.zeo_password_function),
                (AUTHENTICATE, self.zeo_authenticate),
                ("zeo-server-hostname", self.zeo_server_hostname),
            ):
                if given:
                    raise Refused(name, f"{CERTIFICATE} to be set as well")
            return
        if self.serves and not self.zeo_authenticate:
            raise Refused(CERTIFICATE, f"{AUTHENTICATE} to be set: who may connect to the server")
        try:
            zeo_tls.check_pair(self.zeo_certificate, self.zeo_key, bool(self.zeo_password_function))
        except Unusable as why:
            raise Refused("zeo-key" if self.zeo_key else CERTIFICATE, why) from None
        if self.zeo_authenticate:
            try:
                zeo_tls.check_authorities(self.zeo_authenticate)
            except Unusable as why:
                raise Refused(AUTHENTICATE, why) from None

    @property
    def serves(self) -> bool:
        """Whether the stack has a database server of its own."""
        return self.storage == Kind.ZEO

    @property
    def relational(self) -> bool:
        """Whether the database is a relational one."""
        return self.storage == Kind.RELSTORAGE

    @property
    def shares_blobs(self) -> bool:
        """Whether the instances have the blobs of the ZEO server itself."""
        return self.serves or self.shared_blob

    @property
    def ssl(self) -> dict[str, str]:
        """The section ``<ssl>`` of a server or client of ZEO (ZEO 6, ``server.xml`` and
        ``component.xml``); nothing without TLS.
        """
        found = {
            "certificate": self.zeo_certificate,
            "key": self.zeo_key,
            "password-function": self.zeo_password_function,
            "authenticate": self.zeo_authenticate,
        }
        return {name: str(given) for name, given in found.items() if given}

    @property
    def ssl_of_client(self) -> dict[str, str]:
        """The same of a client."""
        if not self.zeo_certificate:
            return {}
        own = {"check-hostname": "on" if self.zeo_check_hostname else "off"}
        if self.zeo_server_hostname:
            own["server-hostname"] = self.zeo_server_hostname
        return {**self.ssl, **own}

    @property
    def tls_files(self) -> tuple[Path, ...]:
        """What the processes have read of certificates, which are replaced from time to time."""
        return tuple(filter(None, (self.zeo_certificate, self.zeo_authenticate)))


def check_shared(directory: Path | None) -> None:
    """Check that blobs of a server are in a directory, and not in one where it will be mounted.

    :raises Refused: where they are not.
    """
    # Path.is_file raises for a name that is too long.
    if directory and not os.path.isfile(directory / LAYOUT):  # noqa: PTH113
        raise Refused(
            "blob-storage",
            f"the directory of the server's blobs, but {directory / LAYOUT}, which ZEO makes in "
            "it, is not there. Mount it first",
        )
