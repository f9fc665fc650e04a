"""Runs HAProxy, its standard output the pipe of the access log.

supervisord runs this as ``haproxy``. It becomes HAProxy; ``log_writer`` reads the pipe.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from zopestack import stack_file
from zopestack.haproxy import log_writer


def main() -> None:
    """Become HAProxy, its standard output the access log; ``run-haproxy STACK_FILE``."""
    stack = stack_file.load(Path(sys.argv[1]))
    # Also where no log is wanted now: a reload may turn it on, and keeps this output. Open it for
    # reading as well, so that the pipe keeps what is written while nobody reads.
    os.dup2(log_writer.opened(str(stack.access_pipe), os.O_RDWR), 1)
    program = str(stack.haproxy)
    os.execv(program, [program, "-W", "-db", "-f", str(stack.haproxy_conf)])


if __name__ == "__main__":
    main()
