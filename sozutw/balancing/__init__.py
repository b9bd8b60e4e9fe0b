"""From a cluster to the backend that serves this request."""
