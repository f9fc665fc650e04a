"""One memory for many instances: Zope is loaded once, and each instance is a fork of that.

``load``, ``immortal``, ``holes`` and ``forks`` run in the loader, ``child`` in what it forks,
``prefetch`` in both; ``client`` and then ``stand_for.sh`` where supervisord expects the instance.
Like the agent, they import nothing of the recipe, the templates or the operator commands.
docs/howto/memory.rst describes what users see.
"""
