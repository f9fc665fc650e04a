"""Sphinx's configuration; build with ``sphinx-build -W -n docs docs/_build``."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

project = "zopestack"
author = "the zopestack developers"
extensions = ["from_code"]
exclude_patterns = ["_build", "changes"]
# A literal block is what a program prints, not Python.
highlight_language = "text"
html_theme = "furo"
html_title = "zopestack"
html_copy_source = False
html_show_copyright = False
# `` and ' stay as they are typed: most of them stand in commands.
smartquotes = False
