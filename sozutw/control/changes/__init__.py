"""The verbs that change the configuration, and how a change reaches the live objects."""
