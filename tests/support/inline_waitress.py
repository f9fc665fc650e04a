"""A plugin for pytest that runs waitress's own tests against the agent's server.

The package ``tests`` is waitress's there, so this file is imported by its own name.
"""

from __future__ import annotations

import os

from waitress.adjustments import Adjustments
from waitress.task import ErrorTask

from zopestack.agent import server
from zopestack.agent.arrival import Arrivals
from zopestack.agent.channel import Channel
from zopestack.agent.threads import Threads

Adjustments.threads = int(os.environ["INLINE_WAITRESS_THREADS"])
# The one difference on purpose: the mark of a refusal, by which HAProxy shows its own page.
Channel.error_task_class = ErrorTask
server.install(Threads(Adjustments.threads), Arrivals(60))
