"""Signals act while the main thread is in a request, whatever that waits for."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.support.polling import PATIENCE

#: The main thread waits for a lock of C, which no signal ends (pthread_mutex_lock(3p)).
INSTANCE = """
import ctypes, os, threading, time
from zopestack.agent.balancers import Balancers
from zopestack.agent.drain import Drain, State
from zopestack.agent.meter import Meter
from zopestack.agent.threads import Threads

drain = Drain(Meter(None, Threads(1)), grace=60, balancers=Balancers(60))
drain.install()
drain.serve()

def watch():
    while drain.state is State.SERVING:
        time.sleep(0.01)
    print(drain.state.value, flush=True)
    os._exit(0)

threading.Thread(target=watch).start()
print("here", flush=True)
lock = ctypes.create_string_buffer(64)
for _ in range(2):
    ctypes.CDLL(None).pthread_mutex_lock(lock)
"""


@pytest.mark.parametrize(
    ("number", "state"), [(signal.SIGTERM, "stopping"), (signal.SIGUSR1, "draining")]
)
def test_a_signal_acts_while_the_main_thread_is_stuck(number: signal.Signals, state: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", INSTANCE], stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "here\n"
            process.send_signal(number)
            assert process.communicate(timeout=PATIENCE)[0] == f"{state}\n"
        finally:
            process.kill()
