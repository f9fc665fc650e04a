"""``bin/adopt``: what a buildout of separate parts becomes as a ``[stack]``."""
