"""What a peer did wrong, as one exception type."""


class WireError(Exception):
    """
    A peer broke its protocol.

    ``reason`` is for the log; ``status`` is what an HTTP client may be told.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
