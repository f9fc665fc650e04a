"""Put load on an address with the best generator there is."""

from __future__ import annotations

from zopestack.address import Address
from zopestack_bench import engine, wrk
from zopestack_bench.measured import Closed, Measured, Open


def run(
    address: Address,
    paths: tuple[str, ...],
    load: Closed | Open,
    seconds: float,
    cookies: tuple[str, ...] = (),
    source: str = "",
) -> Measured:
    """Ask for the paths in turn: a closed loop with wrk where it is, all else bundled.

    :param cookies: sent with each of the paths.
    :param source: the address to connect from; wrk has no say in that.
    """
    program = wrk.find()
    if program and isinstance(load, Closed):
        return wrk.run(program, address, paths, load, seconds, cookies)
    return engine.run(address, paths, load, seconds, cookies=cookies, source=source)
