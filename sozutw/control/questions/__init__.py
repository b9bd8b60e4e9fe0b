"""The verbs that only look: what is configured, what is counted, what would become of a request."""
