"""What keeps a process from being forked, and what it lets go of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: What an add-on may do at import, and what the loader says of it.
CASES = {
    "nothing": ("", "forkable"),
    "a thread": (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), name='busy', daemon=True).start()",
        "an add-on has started a thread at import: busy",
    ),
    "a thread of a library": (
        "import _thread, time\n_thread.start_new_thread(time.sleep, (60,))",
        "an add-on has started a thread at import: 1 that Python does not know",
    ),
    "a connection": (
        "import ZODB\nkept = ZODB.DB(None).open()",
        "something still holds a connection to the database",
    ),
    "a socket": (
        "import socket\nkept = socket.socket()",
        "an add-on has opened a socket at import: descriptor ",
    ),
}

CHECK = """
import os
from zopestack.loader import load
try:
    load.check(-1)
    print("forkable", flush=True)
except load.NotForkable as why:
    print(why, flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("name", CASES)
def test_what_is_in_the_way_of_a_fork_is_named(name: str) -> None:
    code, expected = CASES[name]
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{CHECK}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip().startswith(expected)


#: Add-ons: one imports the other, which has its thread from a library in C.
OUTER = "import string\nimport inner_addon\nimport json"
INNER = """
import ctypes
thread = ctypes.c_void_p()
library = ctypes.CDLL(None)
library.pthread_create(ctypes.byref(thread), None, library.pause, None)
"""


def test_the_package_whose_import_has_started_a_thread_is_named(tmp_path: Path) -> None:
    for name, text in (("outer_addon", OUTER), ("inner_addon", INNER)):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    code = (
        "import os, sys\n"
        "from zopestack.loader import imports, load\n"
        "with imports.Imports() as watched:\n"
        "    import outer_addon\n"
        "assert not [each for each in sys.meta_path if each is watched]\n"
        "try:\n"
        "    load.check(-1, watched.started)\n"
        "except load.NotForkable as why:\n"
        "    print(why, flush=True)\n"
        "os._exit(0)"
    )
    said = subprocess.check_output(
        [sys.executable, "-c", code], text=True, timeout=60, cwd=tmp_path
    )
    assert said.strip() == (
        "an add-on has started a thread at import: 1 that Python does not know "
        "(import of inner_addon)"
    )


def test_a_library_that_starts_threads_when_it_is_loaded_is_named() -> None:
    """NumPy's linear algebra does, with one for each core but the first."""
    code = (
        "import os\n"
        "from zopestack.loader import imports\n"
        "with imports.Imports() as watched:\n"
        "    import numpy\n"
        "print(imports.tasks(), *watched.started, flush=True)\n"
        "os._exit(0)"
    )
    threads, *started = subprocess.check_output(
        [sys.executable, "-c", code],
        text=True,
        timeout=60,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "2"},
    ).split()
    assert int(threads) > 1
    assert [each.partition(".")[0] for each in started] == ["numpy"]


def test_a_warm_up_page_that_hangs_or_fails_is_logged_and_the_next_one_fetched() -> None:
    code = """
import logging, signal, sys
from zopestack.loader import load
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
load.PAGE = 0.1
def application(environment, start_response):
    if environment["PATH_INFO"] == "/hangs":
        while True: pass
    if environment["PATH_INFO"] == "/fails":
        raise RuntimeError("no")
    breaks = environment["PATH_INFO"] == "/breaks"
    start_response("500 Internal Server Error" if breaks else "200 OK", [])
    return [environment["QUERY_STRING"].encode(), environment["HTTP_HOST"].encode()]
print(load.warm(application, ("/hangs", "/fails", "/works?a=b", "/breaks"), "127.0.0.1:8081"))
print(signal.getitimer(signal.ITIMER_REAL))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == [
        "warm-up path /hangs: TimeoutError: no answer within 0.1 s",
        "warm-up path /fails: RuntimeError: no",
        "warm-up path /works?a=b: 200 OK",
        "warm-up path /breaks: 500 Internal Server Error",
        "('/works?a=b',)",
        "(0.0, 0.0)",
    ]
