"""The durable runtime: the only place that imports dbos. It orders, waits, limits and repeats; logic lives in flows."""
