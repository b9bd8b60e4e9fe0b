"""A witness that remembers what it was told."""

from sozutw.balancing.backends import BackendState, ClusterState


class Witness:
    """Notes each turn with the id of whom it concerns."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def backend_gone_down(self, backend: BackendState) -> None:
        self.heard.append(("down", backend.backend_id))

    def backend_come_up(self, backend: BackendState) -> None:
        self.heard.append(("up", backend.backend_id))

    def backends_run_out(self, cluster: ClusterState) -> None:
        self.heard.append(("out", cluster.cluster.cluster_id))

    def cluster_recovered(self, cluster: ClusterState) -> None:
        self.heard.append(("recovered", cluster.cluster.cluster_id))

    def backend_vacated(self, backend: BackendState) -> None:
        self.heard.append(("vacated", backend.backend_id))
