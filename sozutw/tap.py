"""`twistd sozutw`: its options, and the service that it runs."""

import atexit
import os
import sys
from typing import Any, ClassVar

from twisted.application.service import IService
from twisted.python import usage
from typing_extensions import override

from sozutw.config.model import Config
from sozutw.process.configuration import EX_CONFIG, read_configuration
from sozutw.process.host import Source
from sozutw.process.run import ProcessService, choose_reactor, make_process
from sozutw.process.signals import say_on_stderr
from sozutw.process.system.pid_file import PidFiles
from sozutw.process.upgrade.succession import Succession

# twistd's own default, which no operator chose: two proxies started in one folder would clash.
_DEFAULT_PID_FILE = "twistd.pid"


class Options(usage.Options):
    """What `twistd sozutw` takes."""

    synopsis = "--config FILE [--skip-unsupported]"
    longdesc = "Serve what the configuration FILE asks for, in the words of Sōzu's config.toml."
    optParameters: ClassVar[list[list[Any]]] = [
        ["config", "c", None, "The configuration file (required)."],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        [
            "skip-unsupported",
            None,
            "Serve the rest of a file that asks for more than there is yet.",
        ],
    ]

    served: Config | None = None
    """The configuration, once ``postOptions`` has read it."""

    @override
    def postOptions(self) -> None:
        """Read the file, and choose the reactor before twistd takes the default one."""
        if self["config"] is None:
            raise usage.UsageError("--config FILE is required")
        verdict = read_configuration(
            os.fspath(self["config"]), skip_unsupported=bool(self["skip-unsupported"])
        )
        for line in verdict.lines():
            say_on_stderr(line)
        if verdict.config is None:
            # Not a UsageError: twistd would print its help, and end with status 1.
            raise SystemExit(EX_CONFIG)
        self._refuse_two_users(verdict.config)
        self.served = verdict.config
        self._choose_pid_file(verdict.config)
        choose_reactor()

    @property
    def has_twistds_log(self) -> bool:
        """
        Say whether the log is twistd's affair and not the configuration's.

        It is if the operator told twistd so; and in the background, where a log on stdout
        would be lost and twistd writes twistd.log.
        """
        twistd = self.parent
        if twistd is None:
            return False
        assert self.served is not None
        if any(twistd.get(key) for key in ("logfile", "logger", "syslog")):
            return True
        return not twistd.get("nodaemon") and self.served.settings.log_target == "stdout"

    def _refuse_two_users(self, config: Config) -> None:
        """Demand that either twistd or the file says who the process will be."""
        twistd: Any = self.parent or {}
        is_twistds = any(twistd.get(key) is not None for key in ("uid", "gid"))
        if is_twistds and (config.settings.user is not None or config.settings.group is not None):
            say_on_stderr(
                "twistd's --uid and --gid say who the process will be, and so do user and group in"
                " the file: leave out the one or the other"
            )
            raise SystemExit(EX_CONFIG)

    def _choose_pid_file(self, config: Config) -> None:
        """Let the configuration name twistd's pid file, or have none."""
        twistd = self.parent
        if twistd is not None and twistd.get("pidfile") == _DEFAULT_PID_FILE:
            twistd["pidfile"] = config.settings.pid_file_path or ""


def makeService(options: Options) -> IService:
    """Return the proxy as a service that twistd may start."""
    config = options.served
    assert config is not None, "postOptions comes before makeService"
    path = os.path.abspath(os.fspath(options["config"]))  # links stay
    twistd: Any = options.parent or {}
    service = make_process(
        config,
        choose_reactor(),
        Source(path, bool(options["skip-unsupported"]), twistd.get("uid")),
        logs=not options.has_twistds_log,
    )
    if twistd.get("pidfile"):
        _let_pid_file_go_over(service.succession, twistd)
    choose_reactor().addSystemEventTrigger("after", "shutdown", _tell_failure, service)
    made: IService = service
    return made


def _tell_failure(service: ProcessService) -> None:
    """Let the process end as one that failed, if it never came to serve."""
    try:
        service.raise_failure()
    except SystemExit as end:
        # twistd ends with status 0 whatever happened, once it has put its own things in order.
        atexit.register(_end_with, end.code)


def _end_with(status: Any) -> None:
    sys.stdout.flush()
    os._exit(status)


def _let_pid_file_go_over(succession: Succession, twistd: Any) -> None:
    """
    Let a process that takes over write its id into twistd's file, and keep the file.

    twistd removes it when it ends, whatever it holds by then.
    """
    path = twistd["pidfile"]
    succession.pid_file = path
    succession.stayed = lambda: PidFiles([path]).restore()
    succession.replaced = lambda: twistd.update(pidfile="")
