"""What the benchmark computes and writes."""
