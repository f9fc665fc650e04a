"""The agent without a server."""
