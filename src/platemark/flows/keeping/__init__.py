"""Keeping: what stays, for how long, and what makes it go."""
