"""How a backup, a pack or a restore fails."""


class Failed(Exception):
    """It has not been done; the message says why, and that what was there before still is."""


class Problem(Failed):
    """A program or a database server cannot do its part; the message is its own, or says so."""


class Unanswered(Problem):
    """A database server does not let anybody in, or is not there."""


def said(why: object) -> str:
    """An error of a program or a server in one line."""
    return " ".join(str(why).split()).rstrip(".")
