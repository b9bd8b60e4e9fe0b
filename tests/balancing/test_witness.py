"""The witness where none is bound: it takes everything and says nothing."""

from sozutw.balancing.backends import ClusterState
from sozutw.balancing.witness import NOBODY
from sozutw.config.model import Backend, Cluster, InetAddress


def test_nobody_hears_everything_and_does_nothing() -> None:
    cluster = ClusterState(Cluster("c"))
    backend = cluster.upsert(Backend("c", "b", InetAddress("127.0.0.1", 1)))
    assert cluster.witness is NOBODY
    NOBODY.backend_gone_down(backend)
    NOBODY.backend_come_up(backend)
    NOBODY.backends_run_out(cluster)
    NOBODY.cluster_recovered(cluster)
    NOBODY.backend_vacated(backend)
    cluster.check_invariants()
