"""A load-balanced Zope from two numbers in buildout.cfg.

Data flows one way: ``config`` turns the ``[stack]`` section into a ``model.Stack``, which is
composed of the values of ``features``; ``render`` turns the Stack into configuration files;
``buildout`` writes them and makes the parts. ``supervisor`` and ``haproxy`` operate what then runs,
and ``agent`` runs inside each Zope. pyproject.toml states which room may import which.
"""

import signal

#: Has the interpreter of an instance write every stack to a file, also while an extension keeps
#: the interpreter lock, where no Python code can run. A process that does not know it ignores it
#: (signal(7), "Standard signals").
STACKS_SIGNAL = signal.SIGURG

#: How commands of this package call themselves when they ask over HTTP.
USER_AGENT = "zopestack"
