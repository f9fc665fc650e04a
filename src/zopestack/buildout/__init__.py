"""The buildout recipe: parts for the recipes that users know, packages, files written."""
