"""The settings that hold in a process, and those of them that can change while it runs."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Final, Protocol

from sozutw.config.model import Settings
from sozutw.config.settings_keys import WITHOUT_EFFECT
from sozutw.config.state import RefusedRequestError

_FILLED_IN: Final = frozenset({"timeouts", "trusted_proxies", "activate_listeners"})
"""Settings that the listeners of a file have taken over already when it is applied."""
_OF_CLIENTS: Final = frozenset({"ctl_command_timeout", "command_socket_is_default"})
"""Settings that only the command line looks at."""
_NEVER_WAITING: Final = _FILLED_IN | _OF_CLIENTS | WITHOUT_EFFECT.keys()

Take = Callable[[Settings], None]


class Knobs(Protocol):
    """What of the settings can be turned while requests are served; ``relay.ports.Means``."""

    places_per_address: int
    retry_after: int
    replays: bool
    dials_max: int


class LiveSettings:
    """
    What a process was told last, by a file or by a command.

    ``followers`` take over settings by their names, those that can change while it runs.
    """

    def __init__(self, settings: Settings, knobs: Knobs) -> None:
        self._settings = settings
        """Those of the file: what a command has changed stays until the file names another."""
        self._in_force = settings
        """Those of the start, but for what could change since."""
        self._log_level = settings.log_level
        self._knobs = knobs
        self.set_filter: Callable[[str], bool] = lambda _text: False
        """Returns whether there is a log of ours; raises ValueError."""
        self.followers: dict[str, Take] = {
            "log_level": lambda new: self._take_log_level(new.log_level),
            "max_connections_per_ip": lambda new: self.set_places(new.max_connections_per_ip),
            "retry_after": self._take_retry_after,
            "replay": self._take_replay,
            "dials_max": self._take_dials,
        }

    @property
    def in_force(self) -> Settings:
        """What the files so far have come to; what waits for the next start is not in it."""
        return self._in_force

    @property
    def log_level(self) -> str:
        """The filter that holds: of the file, or that a command has set since."""
        return self._log_level

    def take(self, new: Settings) -> list[str]:
        """Let new settings hold; return the keys that wait for a restart."""
        waiting = []
        old = self._settings
        for field in fields(Settings):
            name = field.name
            if getattr(old, name) == getattr(new, name) or name in _NEVER_WAITING:
                continue
            take = self.followers.get(name)
            if take is None:
                waiting.append(name)
            else:
                take(new)
                self._in_force = replace(self._in_force, **{name: getattr(new, name)})
        self._settings = new
        return waiting

    def set_log_filter(self, text: str) -> None:
        """Log what this filter admits from now on; raises RefusedRequestError."""
        try:
            is_done = self.set_filter(text)
        except ValueError as error:
            raise RefusedRequestError(str(error)) from None
        if not is_done:
            raise RefusedRequestError("the log is twistd's own here, which has no filter")
        self._log_level = text

    @property
    def places(self) -> int:
        """How many connections one address may have to a cluster; 0: no limit."""
        return self._knobs.places_per_address

    def set_places(self, limit: int) -> None:
        """Let another limit hold from the next request on."""
        self._knobs.places_per_address = limit

    def _take_log_level(self, text: str) -> None:
        self.set_filter(text)
        self._log_level = text

    def _take_retry_after(self, settings: Settings) -> None:
        self._knobs.retry_after = settings.retry_after

    def _take_replay(self, settings: Settings) -> None:
        self._knobs.replays = settings.replay

    def _take_dials(self, settings: Settings) -> None:
        self._knobs.dials_max = settings.dials_max
