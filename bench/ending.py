"""How a command of the bench ends: with a status, and what went wrong in a line on stderr."""

import sys
from collections.abc import Callable


def status_of(name: str, run: Callable[[], int], fault: type[Exception]) -> int:
    """Return what ``run`` does; 1 if it raises a ``fault``, 130 if somebody interrupts it."""
    try:
        return run()
    except fault as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
