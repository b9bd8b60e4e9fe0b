"""
The collector of cycles, kept out of large changes.

What they make is there to stay. To walk through it again and again while it grows, or once when
it is there, takes a tenth of a second and more, in which nobody is served.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MANY: Final = 20_000
"""As many new objects as are walked through without anybody noticing."""


@contextmanager
def without_collector() -> Iterator[None]:
    """
    Collect nothing until the end; what many objects are there then is looked at never again.

    So what makes them must leave no cycles behind, nor what ends them. They are let go of, as ever,
    when nobody holds them any more.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > MANY:
            gc.freeze()
        if was_enabled:
            gc.enable()
