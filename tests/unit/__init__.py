"""Decisions and rendered text: milliseconds each, and no process is started."""
