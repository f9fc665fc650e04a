"""How a backup, a pack or a restore fails."""


class Failed(Exception):
    """It has not been done; the message says why, and that what was there before still is."""
