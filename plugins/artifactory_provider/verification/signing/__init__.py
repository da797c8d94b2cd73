"""What is attached to a digest and signed: found in the registry, read in bounds, verified with public keys."""
