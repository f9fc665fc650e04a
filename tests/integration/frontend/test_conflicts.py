"""Writers in conflict, with Zope and ZEO: nobody's save is lost or refused."""

from __future__ import annotations

import http.client
import threading

from tests.support.farm import Farm
from tests.support.fetch import fetch
from tests.support.polling import PATIENCE
from zopestack.agent import conflicts
from zopestack.features.instances import Instance

#: As HAProxy sends it for a client that has not written: the instance does not ask ZEO first.
READER = {"Zopestack-Reader": "1"}

SAVES = 12


def count(instance: Instance) -> int:
    return int(fetch(instance.address, "/tally", "POST", b"", READER).text)


def test_every_instance_waits_as_the_agent_says(farm: Farm) -> None:
    for instance in farm.stack.instances:
        assert fetch(instance.address, "/retries?as=agent").text == conflicts.__name__


def test_of_many_who_save_at_once_nobody_fails_and_nothing_is_lost(farm: Farm) -> None:
    """Six at once, in one-thread instances and in two-thread ones."""
    before = count(farm.stack.instances[0])
    statuses: list[int] = []

    def go(instance: Instance) -> None:
        address = instance.address
        connection = http.client.HTTPConnection(address.host, address.port, timeout=PATIENCE)
        for _ in range(SAVES):
            connection.request("POST", "/tally?seconds=0.01", headers=READER)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)

    instances = [each for each in farm.stack.instances for _ in range(each.threads)]
    threads = [threading.Thread(target=go, args=(each,)) for each in instances]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * SAVES * len(instances)
    assert count(farm.stack.instances[0]) == before + len(statuses) + 1
