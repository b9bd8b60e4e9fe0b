"""Three kinds of a response."""

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.replies import failure, ok, processing


def test_a_response_is_one_of_three() -> None:
    assert processing("wait") == pb.Response(status=pb.PROCESSING, message="wait")
    assert failure("no") == pb.Response(status=pb.FAILURE, message="no")
    assert ok("yes") == pb.Response(status=pb.OK, message="yes")
    counted = ok("yes", request_counts=pb.RequestCounts(map={"AddCluster": 1}))
    assert dict(counted.content.request_counts.map) == {"AddCluster": 1}
