"""The fleet as a whole: real links, members and workers; only the kernel and time are played."""

from sozutw.config.model import Cluster
from sozutw.config.requests import AddCluster
from tests.fakes.fleet import FleetWorld, open_descriptors


def test_first(monkeypatch):
    before = open_descriptors()
    world = FleetWorld(monkeypatch)
    world.apply(AddCluster(Cluster("a")))
    world.begin()
    world.assert_all_agree()
    world.apply(AddCluster(Cluster("b")))
    world.settle()
    world.assert_all_agree()
    world.end()
    assert open_descriptors() == before
