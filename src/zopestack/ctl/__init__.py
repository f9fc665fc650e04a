"""The commands that zopestack adds to supervisorctl: roll, drain, ready and stack."""
