"""A reverse proxy on Twisted that is reconfigured and upgraded while it runs."""
