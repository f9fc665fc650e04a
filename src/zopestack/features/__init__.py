"""What a user may ask for in [stack]: one file a concern, with its options and their checks."""
