"""Parts of the agent on their own; tests/stack has it inside a real Zope."""
