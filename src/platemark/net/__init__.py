"""Outbound HTTP with bounds on where it goes, how much it brings and how long it takes; secrets by reference."""
