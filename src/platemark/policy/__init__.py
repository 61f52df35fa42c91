"""What is allowed: versioned rules over signals, joined by a fixed lattice."""
