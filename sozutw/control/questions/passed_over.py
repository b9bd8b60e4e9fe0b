"""What was not chosen, and why: so many of them, and how many more there are."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from sozutw.control.proto import command_pb2 as pb

LISTED_MAX: Final = 50


def listed(reasons: Iterable[tuple[str, str]], total: int) -> list[pb.PassedOver]:
    """Return the first of ``reasons``, each with what it is about; the rest is only counted."""
    told = [pb.PassedOver(what=what, because=why) for what, why in islice(reasons, LISTED_MAX)]
    left = total - len(told)
    if left > 0:
        told.append(pb.PassedOver(what=f"and {left} more", because="they are not listed"))
    return told
