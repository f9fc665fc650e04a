"""What is tested with one site of two instances, started once; each test leaves it as it was."""
