"""How a command of supervisorctl fails."""


class Stopped(Exception):
    """A command that ended early; it left the rest of the stack unchanged."""
