"""Templates and durations as Sōzu finds them, and as they are."""

from sozutw.config.model import Backend, Cluster, HttpListener, InetAddress, Timeouts, UnixAddress
from sozutw.config.requests import AddBackend, AddCluster, AddHttpListener
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.translate import message_of
from tests.fakes.messages import HERE
from tests.fakes.requests import template


def test_templates_are_written_to_both_places() -> None:
    listener = HttpListener(HERE, answers={"404": template(404), "500": template(500)})
    message = message_of(AddHttpListener(listener)).add_http_listener
    assert message.answers == {"404": template(404), "500": template(500)}
    assert message.http_answers == pb.CustomHttpAnswers(answer_404=template(404))
    answered = message_of(AddCluster(Cluster("app", answers={"503": template(503)})))
    assert answered.add_cluster.answer_503 == template(503)


def test_what_sozu_has_no_place_for_is_nearly_told() -> None:
    timeouts = Timeouts(front=0.2, back=30.0, connect=2.5, request=4294967295.0, tunnel=7.0)
    message = message_of(AddHttpListener(HttpListener(HERE, timeouts=timeouts)))
    told = message.add_http_listener
    assert (told.front_timeout, told.back_timeout, told.connect_timeout) == (1, 30, 3)
    assert told.extras == pb.ListenerExtras(
        front_timeout=0.2, connect_timeout=2.5, tunnel_timeout=7.0
    )
    plain = message_of(AddHttpListener(HttpListener(HERE))).add_http_listener
    assert not plain.HasField("extras")
    for address, other in (
        (UnixAddress("/run/a"), "unix:/run/a"),
        (InetAddress("b.example", 80), "b.example:80"),
    ):
        added = message_of(AddBackend(Backend("app", "b", address))).add_backend
        assert added.address == pb.SocketAddress(ip=pb.IpAddress(v4=0), port=0, other=other)
    assert not message_of(AddCluster(Cluster("app"))).add_cluster.HasField("extras")
