"""From the sections of a buildout to a Stack: reading, overrides, collisions, errors."""
