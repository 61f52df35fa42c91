"""From orders to finished pictures: one path for all operations."""
