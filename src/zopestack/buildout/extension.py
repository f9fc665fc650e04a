"""The buildout extension: parts may refer to those of a stack, wherever they stand in ``parts``.

Buildout resolves the references of a part when it reaches it, and knows no ``${instance1:...}``
before it has reached the stack. ``extensions = zopestack`` has it begin there.
"""

from __future__ import annotations

from typing import Any

#: What the section of a stack has as its recipe.
RECIPE = "zopestack"


def stack_first(buildout: Any) -> None:
    """Put the stack first in ``parts``; where it is not among them, leave them as they are.

    Called by buildout before it looks at any part.
    """
    own = buildout["buildout"]
    names = own["parts"].split()
    recipes = {name: buildout._raw.get(name, {}).get("recipe", "").strip() for name in names}
    own["parts"] = "\n".join(sorted(names, key=lambda name: recipes[name] != RECIPE))
