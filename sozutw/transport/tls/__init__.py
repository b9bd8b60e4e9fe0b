"""TLS: the only place that knows the library which speaks it."""
