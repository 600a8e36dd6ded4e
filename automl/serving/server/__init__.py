"""A bundle behind HTTP: the hub's inference API, batching, limits, metrics, and drift."""
