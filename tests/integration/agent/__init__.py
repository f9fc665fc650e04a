"""Parts of the agent on their own; tests/system has it inside a real Zope."""
