"""``supervisorctl doctor``: what is known to go wrong, looked for on the running stack."""
