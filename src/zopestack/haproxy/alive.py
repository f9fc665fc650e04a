"""Whether HAProxy serves, as keepalived asks again and again: ``balancer-alive HOST PORT PATH``.

Exits with 0 where an answer comes that is no error of the server, with 1 otherwise. A plain socket:
``http.client`` would take four times as long to import as all else takes.
"""

import re
import socket
import sys

#: Seconds; HAProxy answers within milliseconds where it serves.
TIMEOUT = 1.0

#: The first line of an answer (RFC 9112, 4), with a status below 500.
WELL = re.compile(rb"HTTP/1\.[01] [1-4]\d\d ")


def main() -> int:
    """Ask once."""
    host, port, path = sys.argv[1:]
    try:
        with socket.create_connection((host, int(port)), TIMEOUT) as connection:
            connection.sendall(f"HEAD {path} HTTP/1.0\r\nUser-Agent: keepalived\r\n\r\n".encode())
            return int(not WELL.match(connection.recv(4096)))
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
