"""From a Stack to the bytes of every generated file, and what a user's own template must keep."""
