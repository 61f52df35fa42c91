"""Policy: versioned rules that turn signals into a ruling."""
