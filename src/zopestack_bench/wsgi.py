"""The farm's Zope as a WSGI application, for servers that are given one.

As the instances run it, less the agent, which these servers have no use for.
The environment's ZOPE_CONF names the zope.conf.
"""

from __future__ import annotations

import os

from Zope2.Startup.run import make_wsgi_app
from ZPublisher.httpexceptions import HTTPExceptionHandler

application = HTTPExceptionHandler(make_wsgi_app({}, os.environ["ZOPE_CONF"]))
