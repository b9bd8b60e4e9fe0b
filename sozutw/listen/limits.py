"""How many descriptors this process may open, and how many clients that is enough for."""

import resource
from dataclasses import dataclass

from twisted.logger import Logger

SESSIONS_DEFAULT = 10_000
SESSIONS_LEAST = 16
"""With room for fewer, there is nothing to start for."""
RESERVE = 64
"""For logs, the loop, libraries, the command socket, and the least of health checks."""
PROBES_LEAST = 16
PROBES_MOST = 1024
PIPES = 128
"""Two for each pipe of ``transport.pipes``; a hint may fall short of them, so they are not due."""

_log = Logger()


class TooFewDescriptorsError(ValueError):
    """The hard limit is too low for what was asked; its text can be shown to an operator."""


@dataclass(frozen=True, slots=True)
class DescriptorPlan:
    """What was found to be possible."""

    sessions_max: int
    """Clients at a time."""
    descriptors: int
    """The soft limit that now holds."""


def raise_descriptor_limit(wanted: int) -> int:
    """Raise the soft limit to ``wanted``, or as near as the hard limit allows; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if target > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        return target
    return soft


def queue_max_of(sessions_max: int) -> int:
    """Return how many accepted clients may wait at each listener."""
    return max(16, sessions_max // 10)


def probes_max_of(plan: DescriptorPlan, listeners: int) -> int:
    """Return how many backends may be probed at a time: half of what nobody else may need."""
    needed = (
        2 * plan.sessions_max + RESERVE + PIPES + listeners * (1 + queue_max_of(plan.sessions_max))
    )
    return max(PROBES_LEAST, min(PROBES_MOST, (plan.descriptors - needed) // 2))


def sessions_possible(sessions_max: int | None, listeners: int) -> int:
    """
    Return how many clients there may be, and change nothing.

    When ``sessions_max`` is None, as many as the hard limit has room for, at most
    SESSIONS_DEFAULT. Raises TooFewDescriptorsError when the limit is too low for the number
    that was asked for, or for SESSIONS_LEAST where none was.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return SESSIONS_DEFAULT if sessions_max is None else sessions_max
    if sessions_max is None:
        derived = min(SESSIONS_DEFAULT, _most(hard - RESERVE - PIPES - listeners, listeners))
        if derived < SESSIONS_LEAST:
            raise TooFewDescriptorsError(
                f"the hard limit of {hard} file descriptors has room for {derived} connections,"
                f" and {SESSIONS_LEAST} are the least: raise it (ulimit -Hn, LimitNOFILE=)"
            )
        return derived
    needed = 2 * sessions_max + RESERVE + listeners * (1 + queue_max_of(sessions_max))
    if needed > hard:
        raise TooFewDescriptorsError(
            f"max_connections = {sessions_max} needs {needed} file descriptors, and the hard limit"
            f" is {hard}: raise it (ulimit -Hn, LimitNOFILE=), or ask for at most"
            f" {_most(hard - RESERVE - listeners, listeners)} connections"
        )
    return sessions_max


def plan_descriptors(
    sessions_max: int | None, listeners: int, *, is_told: bool = True
) -> DescriptorPlan:
    """
    Make room for ``sessions_possible`` clients, each with a backend connection.

    Those that wait to be let in are counted too. A number that follows from the limit, and is
    below SESSIONS_DEFAULT, is warned of, if it is to be told.
    """
    possible = sessions_possible(sessions_max, listeners)
    if is_told and sessions_max is None and possible < SESSIONS_DEFAULT:
        _log.warn(
            "at most {possible} connections at a time, and not {default}: the hard limit of file"
            " descriptors has no room for more (ulimit -Hn, LimitNOFILE=)",
            possible=possible,
            default=SESSIONS_DEFAULT,
        )
    fixed = RESERVE + PIPES + listeners * (1 + queue_max_of(possible))
    return DescriptorPlan(possible, raise_descriptor_limit(4 * possible + fixed))


def _most(free: int, listeners: int) -> int:
    """Return how many clients, their backends and all queues fit into ``free`` descriptors."""
    return max(0, min((free - 16 * listeners) // 2, 10 * free // (20 + listeners)))
