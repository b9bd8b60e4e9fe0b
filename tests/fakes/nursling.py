"""What a zygote forks in tests: it does what it is told on its channel, and ends with that."""

import os
import select
import signal
import socket
import sys
import time
from typing import Any

from sozutw.listen.shares import Share
from sozutw.process.zygote.blanks import Blanks


def serve(channel: socket.socket, blanks: Blanks, share: Share | None) -> int:
    """Run each text that comes; return what is in ``status`` when no more will."""
    names: dict[str, Any] = {
        **{module.__name__: module for module in (os, select, signal, socket, sys, time)},
        "channel": channel,
        "blanks": blanks,
        "share": share,
        "status": 0,
    }
    while code := channel.recv(65536):
        exec(code, names)
    status: int = names["status"]
    return status
