"""The port by which others are told what becomes of backends and clusters."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sozutw.balancing.backends import BackendState, ClusterState


class Witness(Protocol):
    """
    Hears of rare turns, at the moment of each; it must not take long, nor choose a backend.

    Nobody is told anything while all goes well.
    """

    def backend_gone_down(self, backend: "BackendState") -> None:
        """So many dials failed in a row that it counts as down."""

    def backend_come_up(self, backend: "BackendState") -> None:
        """A dial succeeded to one that was down."""

    def backends_run_out(self, cluster: "ClusterState") -> None:
        """Somebody asked for a backend, and none was available."""

    def cluster_recovered(self, cluster: "ClusterState") -> None:
        """Somebody asked again, and one was."""

    def backend_vacated(self, backend: "BackendState") -> None:
        """It was removed from the configuration, and has no connection any more."""


class Nobody:
    """Listens to nothing: the witness where none is bound."""

    def backend_gone_down(self, backend: "BackendState") -> None:
        """Say nothing."""

    def backend_come_up(self, backend: "BackendState") -> None:
        """Say nothing."""

    def backends_run_out(self, cluster: "ClusterState") -> None:
        """Say nothing."""

    def cluster_recovered(self, cluster: "ClusterState") -> None:
        """Say nothing."""

    def backend_vacated(self, backend: "BackendState") -> None:
        """Say nothing."""


NOBODY: Witness = Nobody()
