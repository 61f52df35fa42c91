"""Reviews: the desk at which people decide."""
