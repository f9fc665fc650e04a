"""Operating a stack: the client of supervisord, what supervisorctl gains, what supervisord runs."""
