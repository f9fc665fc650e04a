"""Meet the ZEO server as an instance does, and ask nothing of it.

``python -m zopestack.buildout.handshake`` reads an :class:`Asked` as JSON from standard input, and
prints a :class:`Found` the same way. It needs the instances' eggs: one of them may have the
function that returns the password of the key.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
from contextlib import closing
from typing import TypedDict

from zopestack import zeo_tls
from zopestack.features import certificates

#: Seconds for each answer of the server: several times what one takes that is far away.
PATIENCE = 10

#: A server's first message, the version of its protocol: its length, then one of these letters
#: (ZEO 6, ``asyncio/server.py``).
LENGTH, CODECS = 4, (b"Z", b"M")

#: What OpenSSL says of a server that answers without TLS; which one depends on its version.
NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST"}

#: OpenSSL's numbers for a certificate that is not valid yet, or no more (its verify(1)).
OUTDATED = (9, 10)


class Asked(TypedDict):
    """What is asked.

    :param client: the section ``<ssl>`` of a client; empty without TLS.
    :param server: that of the server, where it is one of this stack, which need not run.
    """

    host: str
    port: int
    client: dict[str, str]
    server: dict[str, str]


class Found(TypedDict):
    """What is wrong.

    :param option: the one to change; empty where the server may only be away.
    :param why: what is expected instead, or what the server does.
    """

    option: str
    why: str


def main() -> None:
    """Answer."""
    asked: Asked = json.load(sys.stdin)
    json.dump(found(asked), sys.stdout)


def found(asked: Asked) -> Found | None:
    """What is wrong, or nothing."""
    client = None
    if asked["client"]:
        try:
            client = zeo_tls.context(asked["client"])
            server = zeo_tls.context(asked["server"], server=True) if asked["server"] else None
        # The function for the password is the user's own.
        except Exception as why:
            return _unopened(asked["client"], why)
        if server:
            host = asked["client"].get("server-hostname") or asked["host"]
            refusal = certificates.handshake(client, server, host)
            return _untrusted(refusal) if refusal else None
        if outdated := _outdated(asked["client"]):
            expected = f"a certificate that is valid now: {outdated}"
            return Found(option="zeo-certificate", why=expected)
    return _met(asked, client)


def _outdated(given: dict[str, str]) -> str:
    """Whether a certificate is too old or too new; a server does not say why it hangs up."""
    own = {**given, "authenticate": given["certificate"]}
    server = zeo_tls.context(own, server=True)
    server.verify_mode = ssl.CERT_NONE
    client = ssl.create_default_context(cafile=given["certificate"])
    client.check_hostname = False
    # Whoever has issued it.
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    refusal = certificates.handshake(client, server, None)
    return refusal.verify_message if refusal and refusal.verify_code in OUTDATED else ""


def _unopened(given: dict[str, str], why: Exception) -> Found:
    function = given.get("password-function")
    if not function:
        return Found(option="zeo-certificate", why=f"a certificate that OpenSSL loads: {why}")
    if isinstance(why, ssl.SSLError):
        return Found(
            option="zeo-password-function",
            why=f"one that returns the password of the key: {why.reason or why}",
        )
    said = f"{type(why).__name__}: {why}"
    return Found(option="zeo-password-function", why=f"one that can be called: {said}")


def _untrusted(why: ssl.SSLCertVerificationError) -> Found:
    if why.verify_code in certificates.MISMATCHES:
        return Found(
            option="zeo-server-hostname",
            why=f"the host that the server's certificate is for: {why.verify_message}",
        )
    return Found(
        option="zeo-authenticate",
        why=f"authorities by which both sides trust each other: {why.verify_message}",
    )


def _met(asked: Asked, client: ssl.SSLContext | None) -> Found | None:
    address = asked["host"], asked["port"]
    try:
        connection = socket.create_connection(address, timeout=PATIENCE)
    except OSError as why:
        return Found(option="", why=f"does not answer: {why}")
    with closing(connection):
        if not client:
            return _greeting(connection, " without TLS; with TLS, zeo-certificate has to be set")
        host = asked["client"].get("server-hostname") or asked["host"]
        try:
            connection = client.wrap_socket(connection, server_hostname=host)
            return _greeting(connection, " with TLS")
        except (ssl.SSLEOFError, ConnectionResetError):
            return _hung_up()
        except ssl.SSLCertVerificationError as why:
            return _untrusted(why)
        except ssl.SSLError as why:
            if why.reason in NO_TLS:
                return Found(option="zeo-certificate", why="a server with TLS; that one has none")
            return Found(
                option="zeo-certificate",
                why=f"a certificate that the server accepts; it says: {why.reason or why}",
            )
        except OSError as why:
            return Found(option="", why=f"ends the connection: {why}")
        finally:
            connection.close()


def _hung_up() -> Found:
    """What ZEO does with a client that it does not trust (Python's ``asyncio``)."""
    return Found(
        option="zeo-certificate",
        why="a certificate that the server accepts from a client; it ends the connection",
    )


def _greeting(connection: socket.socket, how: str) -> Found | None:
    """What is wrong with a server's first words."""
    said = b""
    try:
        while len(said) <= LENGTH and (more := connection.recv(LENGTH + 1 - len(said))):
            said += more
    except TimeoutError:
        pass
    else:
        if not said and isinstance(connection, ssl.SSLSocket):
            return _hung_up()
    if said[LENGTH:] in CODECS:
        return None
    return Found(option="", why=f"is no ZEO server{how}")


if __name__ == "__main__":
    main()
