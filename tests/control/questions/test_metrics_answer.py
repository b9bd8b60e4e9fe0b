"""An answer about many clusters is made in small steps; its content is in test_metrics_verbs."""

import pytest

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.metrics_answer import MetricsAnswer
from sozutw.metrics.counters import ClusterCounters, WorkerCounters
from sozutw.metrics.detail import Detail
from sozutw.metrics.render import ClusterReport, Reports
from tests.fakes.steps import counted

NAMES = [f"c{number}" for number in range(320)]


@pytest.mark.parametrize(
    ("is_list", "of_each", "pauses_min"),
    [
        pytest.param(False, False, 20, id="together"),  # To merge them takes ten, to write ten.
        pytest.param(False, True, 20, id="each"),
        pytest.param(True, False, 20, id="listed"),
    ],
)
def test_there_is_a_pause_for_every_few_clusters(
    is_list: bool, of_each: bool, pauses_min: int
) -> None:
    options = pb.QueryMetricsOptions(list=is_list, no_clusters=False, workers=of_each)
    clusters = {name: ClusterReport(ClusterCounters(), []) for name in NAMES}
    told = {key: Reports(WorkerCounters(), {}, clusters, 1.0) for key in ("0", "1")}
    answer = MetricsAnswer(options, Detail.CLUSTER, tells_clusters=True)
    pauses, response = counted(answer.of_workers(told, [], {}))
    assert pauses >= pauses_min - 1
    if is_list:
        assert "requests" in response.content.available_metrics.cluster_metrics
        return
    metrics = response.content.metrics
    for group in metrics.workers.values() if of_each else [metrics]:
        assert set(group.clusters) == set(NAMES)
