"""What supervisorctl gains: roll, drain, ready and stack."""
