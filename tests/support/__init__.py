"""What tests share: deployments, their ports, and what speaks to them."""
