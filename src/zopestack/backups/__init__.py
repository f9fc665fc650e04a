"""What a backup is: how one is made, found, deleted and put back, and what is known of the last."""
