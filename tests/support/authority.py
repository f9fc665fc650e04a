"""A certificate authority of a test's own, made with the openssl program."""

from __future__ import annotations

import subprocess
from pathlib import Path

CONF = """
[req]
distinguished_name = nobody
[nobody]
[ca]
default_ca = own
[own]
database = {home}/index
new_certs_dir = {home}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""

OF_ALL = """
basicConstraints = CA:FALSE
keyUsage = digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {hosts}
extendedKeyUsage = {usage}
"""

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")

#: What a certificate is for.
BOTH, SERVER = "serverAuth, clientAuth", "serverAuth"

#: Until when it is good, and until when one that has expired was.
ENDS = ("20990101000000Z", "20200102000000Z")

LOOPBACK = "IP:127.0.0.1"


class Authority:
    """One that issues certificates.

    :ivar certificate: its own, which whoever trusts it has.
    """

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.conf = home / "conf"
        self.conf.write_text(CONF.format(home=home), encoding="utf-8")
        (home / "index").touch()
        self.certificate, self.key = home / "ca.pem", home / "ca.key"
        self._run(
            *("req", "-x509", "-nodes", *KEY, "-subj", "/CN=tests", "-extensions", "authority"),
            *("-keyout", self.key, "-out", self.certificate),
        )

    def issue(
        self,
        name: str,
        hosts: str = LOOPBACK,
        usage: str = BOTH,
        password: str = "",
        expired: bool = False,
    ) -> Path:
        """Make a certificate, with its key in one file.

        :param hosts: that it is for, as OpenSSL writes them.
        :param password: of the key.
        :param expired: whether it was good for one day, long ago.
        """
        made, key, request = (self.home / f"{name}.{kind}" for kind in ("pem", "key", "request"))
        locked = ("-passout", f"pass:{password}") if password else ("-nodes",)
        asked = ("req", "-new", *KEY, *locked, "-subj", f"/CN={name}")
        self._run(*asked, "-keyout", key, "-out", request)
        extensions = self.home / f"{name}.extensions"
        extensions.write_text(OF_ALL.format(hosts=hosts, usage=usage), encoding="utf-8")
        self._run(
            *("ca", "-batch", "-notext", "-in", request, "-out", made, "-extfile", extensions),
            *("-cert", self.certificate, "-keyfile", self.key),
            *("-startdate", "20200101000000Z", "-enddate", ENDS[expired]),
        )
        key.chmod(0o600)
        made.chmod(0o600)
        made.write_text(made.read_text() + key.read_text())
        return made

    def _run(self, command: str, *arguments: str | Path) -> None:
        subprocess.run(
            ["openssl", command, "-config", self.conf, *arguments], check=True, capture_output=True
        )
