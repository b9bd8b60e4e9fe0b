"""Orders, batches, state files and whole files: what they come to, and what is told of it."""

import os
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, fail

from sozutw.config.draft import apply
from sozutw.config.dump import dump
from sozutw.config.model import (
    Backend,
    Cluster,
    Config,
    FrontendRule,
    HttpListener,
    InetAddress,
)
from sozutw.config.state import ConfigState, RefusedRequestError
from sozutw.control.changes.changes import REPLACED
from sozutw.control.messages.records import write_records
from sozutw.control.messages.translate import message_of
from sozutw.control.proto import command_pb2 as pb
from tests.fakes.crew import PlayedCrew
from tests.fakes.desk import DeskScene
from tests.fakes.messages import backend, cluster, frontend, http_listener
from tests.fakes.worker import LISTENER, ok

ELSEWHERE = InetAddress("127.0.0.1", 8081)


def loaded(scene: DeskScene) -> list[str]:
    return [one.cluster_id for one in scene.world.applier.state.clusters]


# One order.


def test_an_order_holds_when_it_is_answered() -> None:
    scene = DeskScene()
    events = scene.subscribe()
    changed: list[None] = []
    scene.changes.on_change = lambda: changed.append(None)
    asked = scene.ask(cluster())
    assert asked.texts == ["Processing worker request..."]
    assert asked.answer.message == "Successfully applied request to all workers"
    assert not asked.answer.HasField("content")
    assert "app" in loaded(scene)
    assert events == ["CLUSTER_ADDED"]
    assert changed == [None]
    counts = scene.ok(pb.Request(count_requests=pb.CountRequests()))
    assert dict(counts.content.request_counts.map) == {"AddCluster": 1}


def test_an_order_that_may_concern_many_rules_leaves_time_for_others() -> None:
    scene = DeskScene()
    asked = scene.begin(cluster(sticky_session=True))
    assert asked.answers == []
    assert not scene.world.applier.clusters["app"].cluster.sticky_session
    scene.settle()
    assert asked.answer.status == pb.OK
    assert scene.world.applier.clusters["app"].cluster.sticky_session


def test_a_refused_order_changes_nothing_and_is_no_event() -> None:
    scene = DeskScene()
    events = scene.subscribe()
    text = scene.refused(pb.Request(remove_cluster="nobody"))
    assert text.startswith("could not dispatch request on the main process state: ")
    assert "nobody" in text
    assert events == []


def test_what_an_order_has_no_effect_with_is_told() -> None:
    message = scene_cluster = cluster(proxy_protocol=pb.SEND_HEADER)
    answer = DeskScene().ok(message)
    assert "; warning: proxy_protocol has no effect" in answer.message
    assert scene_cluster.HasField("add_cluster")


@pytest.mark.parametrize("order", [backend, frontend])
def test_what_names_a_cluster_that_is_not_there_is_taken_and_told(order) -> None:
    scene = DeskScene()
    scene.ok(http_listener())
    answer = scene.ok(order(cluster_id="nix"))
    assert answer.message.endswith(" workers; warning: there is no cluster 'nix' yet")
    both = [order(cluster_id="later", **_another(order)), cluster(cluster_id="later")]
    assert "warning" not in scene.ok(pb.Request(batch=pb.Batch(requests=both))).message
    assert "warning" not in scene.ok(frontend(cluster_id=None, hostname="denied")).message


def _another(order) -> dict[str, str]:
    return {} if order is backend else {"hostname": "other"}


@pytest.mark.parametrize(
    "request_",
    [
        cluster(),
        pb.Request(batch=pb.Batch(requests=[cluster()])),
        pb.Request(load_state="/nowhere/state.json"),
        pb.Request(reload_configuration="/etc/new.toml"),
        pb.Request(apply_configuration=pb.ApplyConfiguration(path="/etc/new.toml")),
    ],
)
def test_a_process_that_is_stopping_changes_nothing(request_: pb.Request) -> None:
    scene = DeskScene()
    scene.host.files["/etc/new.toml"] = Config(clusters=(Cluster("new"),))
    scene.host.is_stopping = True
    before = loaded(scene)
    assert "is stopping" in scene.refused(request_)
    assert loaded(scene) == before
    dry = pb.ApplyConfiguration(path="/etc/new.toml", dry_run=True)
    assert scene.ok(pb.Request(apply_configuration=dry)).content.changes.requests


# A batch.


def test_a_batch_is_applied_as_one() -> None:
    scene = DeskScene()
    events = scene.subscribe()
    orders = [cluster(cluster_id="one"), cluster(cluster_id="two")]
    answer = scene.ok(pb.Request(batch=pb.Batch(requests=orders)))
    assert answer.message == "Successfully applied request to all workers: 2 as one"
    assert events == ["CLUSTER_ADDED", "CLUSTER_ADDED"]


@pytest.mark.parametrize(
    "bad", [pb.Request(remove_cluster="nobody"), pb.Request(status=pb.Status())]
)
def test_a_batch_with_a_refused_order_is_nothing(bad: pb.Request) -> None:
    scene = DeskScene()
    before = loaded(scene)
    text = scene.refused(pb.Request(batch=pb.Batch(requests=[cluster(cluster_id="one"), bad])))
    assert text.endswith("; none is applied")
    assert loaded(scene) == before


# Turns.


def test_what_is_asked_later_sees_what_was_asked_before() -> None:
    scene = DeskScene()
    scene.host.held = Deferred()
    slow = scene.begin(pb.Request(load_state="/nowhere"))
    quick = scene.begin(cluster(cluster_id="new"))
    scene.settle()
    assert slow.answers == []
    assert quick.answers == []
    scene.ok(pb.Request(status=pb.Status()))  # A question waits for nobody.
    held, scene.host.held = scene.host.held, None
    held.callback(None)
    scene.settle()
    assert slow.answer.status == pb.FAILURE
    assert quick.answer.status == pb.OK


# State files.


def test_a_state_is_saved_and_loaded(tmp_path: Path) -> None:
    scene = DeskScene("A", "B")
    events = scene.subscribe()
    path = tmp_path / "state"
    count = len(list(dump(scene.world.applier.state)))
    answer = scene.ok(pb.Request(save_state=str(path)))
    assert answer.message == f"Saved {count} config messages to {path}"
    assert path.stat().st_mode & 0o777 == 0o600
    other = DeskScene("C")
    scene.ok(pb.Request(remove_cluster="app"))
    again = scene.ask(pb.Request(load_state=str(path)))
    assert again.texts == [
        f"Parsing state file from {path}...",
        "Applying state file...",
        "Putting them in force...",
    ]
    text = again.answer.message
    assert text.startswith(f"Successfully loaded state from path {path}, ")
    assert f"{count} ok messages" not in text  # Most of it was so already.
    assert ", 0 errors (" in text
    assert "were so already" in text
    assert loaded(scene) == ["app"]
    assert [e for e in events if e.startswith("STATE")] == ["STATE_SAVED", "STATE_LOADED"]
    other.ok(pb.Request(load_state=str(path)))
    assert [b.backend_id for b in other.world.applier.state.backends("app")] == ["C", "A", "B"]


def test_what_is_refused_of_a_state_is_passed_over_and_told(tmp_path: Path) -> None:
    scene = DeskScene()
    path = tmp_path / "state"
    scene.ok(cluster(cluster_id="one"))
    scene.ok(pb.Request(save_state=str(path)))
    scene.ok(pb.Request(remove_cluster="one"))
    rule = scene.world.applier.state.frontends(LISTENER)[0]
    moved = FrontendRule(LISTENER, rule.hostname, position=rule.position, cluster_id="one")
    scene.world.apply(*[])
    state = scene.world.applier
    from sozutw.config.requests import AddHttpFrontend, RemoveHttpFrontend

    state.apply(RemoveHttpFrontend(rule), AddHttpFrontend(moved))
    text = scene.ok(pb.Request(load_state=str(path))).message
    assert ", 1 errors (" in text
    assert "record " in text
    assert "already leads to cluster 'one'" in text
    assert "one" in loaded(scene)


def test_only_the_first_few_reasons_are_told(tmp_path: Path) -> None:
    scene = DeskScene()
    path = tmp_path / "state"
    records = [
        message_of_rule(FrontendRule(ELSEWHERE, f"{n}.test", cluster_id="app")) for n in range(9)
    ]
    write(path, records)
    text = scene.ok(pb.Request(load_state=str(path))).message
    assert ", 0 ok messages, 9 errors (record 1: " in text
    assert text.endswith("; and 4 more)")


def message_of_rule(rule: FrontendRule) -> pb.Request:
    from sozutw.config.requests import AddHttpFrontend

    return message_of(AddHttpFrontend(rule))


def write(path: Path, messages: list[pb.Request], end: bytes = b"") -> None:
    from sozutw.control.messages.records import write_records

    path.touch(mode=0o600)
    path.write_bytes(b"".join(write_records(messages)) + end)


def test_a_torn_state_is_refused_with_the_number_of_the_record(tmp_path: Path) -> None:
    scene = DeskScene()
    path = tmp_path / "state"
    write(path, [cluster(cluster_id="one"), cluster(cluster_id="two")], b'{"id":"SAVE-2","con')
    before = loaded(scene)
    text = scene.refused(pb.Request(load_state=str(path)))
    assert "record 3 " in text
    assert text.endswith("nothing of it is applied")
    assert loaded(scene) == before


def test_a_state_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write(path, [cluster()])
    path.chmod(0o640)
    assert f"chmod 600 {path}" in DeskScene().refused(pb.Request(load_state=str(path)))


def test_a_long_load_tells_how_far_it_is(tmp_path: Path) -> None:
    scene = DeskScene()
    path = tmp_path / "state"
    write(path, [backend(backend_id=str(n)) for n in range(5001)])
    asked = scene.ask(pb.Request(load_state=str(path)))
    assert "5000 records read..." in asked.texts


def test_a_save_that_the_end_of_the_process_cuts_leaves_nothing(tmp_path: Path) -> None:
    scene = DeskScene()
    scene.host.held = fail(RefusedRequestError("the process is stopping"))
    text = scene.refused(pb.Request(save_state=str(tmp_path / "state")))
    assert text.endswith("the process is stopping")
    assert os.listdir(tmp_path) == []


def test_a_save_that_cannot_be_is_told(tmp_path: Path) -> None:
    path = tmp_path / "no" / "state"
    text = DeskScene().refused(pb.Request(save_state=str(path)))
    assert text == f"Cannot create file at path {path}: No such file or directory"


# A whole file.


def config_of(*backends: str, cluster_id: str = "app") -> Config:
    return Config(
        listeners=(HttpListener(LISTENER),),
        clusters=(Cluster(cluster_id),),
        frontends=(FrontendRule(LISTENER, "a.test", cluster_id=cluster_id),),
        backends=tuple(
            Backend(cluster_id, name, InetAddress(f"10.1.0.{number}", 80))
            for number, name in enumerate(backends, 1)
        ),
    )


def test_a_reload_applies_the_difference_removals_too() -> None:
    scene = DeskScene("A", "B")
    events = scene.subscribe()
    scene.ok(cluster(cluster_id="by hand"))
    scene.host.configuration_path = "/etc/our.toml"
    scene.host.files["/etc/our.toml"] = config_of("A")
    client = scene.world.client()
    client.get()
    dialled = scene.world.dialled()
    asked = scene.ask(pb.Request(reload_configuration=""))
    assert asked.texts == [
        "Reloading static configuration at path /etc/our.toml",
        "Applying what differs...",
    ]
    state = scene.world.applier.state
    assert loaded(scene) == ["app"]
    assert [b.backend_id for b in state.backends("app")] == ["A"]
    assert [rule.hostname for rule in state.frontends(LISTENER)] == ["a.test"]
    assert asked.answer.message == "Successfully loaded the config: 4 ok, 0 errors"
    assert not asked.answer.HasField("content")  # Sōzu's client would not know it.
    assert events[-1] == "CONFIGURATION_RELOADED"
    assert scene.host.taken == [scene.host.files["/etc/our.toml"]]
    # Who was on the way goes on.
    scene.world.connect(dialled[0]).receive(ok(b"1"))
    assert client.answer() == (200, b"1")
    again = scene.ok(pb.Request(reload_configuration="/etc/our.toml"))
    assert again.message == "Successfully loaded the config: 0 ok, 0 errors"


def test_what_waits_for_a_restart_is_named() -> None:
    scene = DeskScene()
    scene.host.files["f"] = config_of("A")
    scene.host.waiting = ["buffer_size", "worker_count"]
    text = scene.ok(pb.Request(reload_configuration="f")).message
    assert text.endswith("; takes effect with the next start: buffer_size, worker_count")


def test_a_file_that_is_wrong_changes_nothing() -> None:
    scene = DeskScene()
    scene.host.files["f"] = "f:3: no such key"
    text = scene.refused(pb.Request(reload_configuration="f"))
    assert text == "loading static configuration failed: f:3: no such key"
    assert scene.host.taken == []


def test_without_a_file_there_is_nothing_to_reload() -> None:
    assert "name one" in DeskScene().refused(pb.Request(reload_configuration=""))


def test_a_file_whose_address_is_taken_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = DeskScene()
    config = config_of("A")
    scene.host.files["f"] = Config(
        listeners=(*config.listeners, HttpListener(ELSEWHERE)), clusters=config.clusters
    )
    sockets = scene.world.applier._sockets

    def taken(address: InetAddress) -> None:
        raise OSError(98, "in use")

    monkeypatch.setattr(sockets, "reserve", taken)
    before = ConfigState()
    apply(before, *dump(scene.world.applier.state))
    text = scene.refused(pb.Request(reload_configuration="f"))
    assert "in use" in text
    assert text.endswith("; nothing is changed")
    assert scene.world.applier.state.is_same_as(before)


def test_what_would_change_is_told_without_a_change_and_without_a_key() -> None:
    scene = DeskScene("A", "B")
    scene.host.files["f"] = config_of("A")
    asked = pb.ApplyConfiguration(path="f", dry_run=True)
    answer = scene.ok(pb.Request(apply_configuration=asked))
    verbs = [one.WhichOneof("request_type") for one in answer.content.changes.requests]
    assert verbs == ["remove_backend", "remove_http_frontend", "add_http_frontend"]
    assert answer.message == "3 objects would change"
    assert [b.backend_id for b in scene.world.applier.state.backends("app")] == ["A", "B"]


def test_a_list_of_changes_has_a_limit() -> None:
    scene = DeskScene()
    scene.host.files["f"] = config_of(*(f"backend-{n}" * 20 for n in range(9000)))
    asked = pb.ApplyConfiguration(path="f", dry_run=True)
    answer = scene.ok(pb.Request(apply_configuration=asked))
    assert answer.ByteSize() < 2_000_000
    listed = len(answer.content.changes.requests)
    assert answer.message.endswith(f"; the first {listed} are listed")


def test_with_keep_what_the_file_does_not_have_stays() -> None:
    scene = DeskScene("A", "B")
    scene.ok(cluster(cluster_id="by hand"))
    scene.host.files["f"] = config_of("A", "C")
    scene.ok(pb.Request(apply_configuration=pb.ApplyConfiguration(path="f", keep=True)))
    state = scene.world.applier.state
    assert loaded(scene) == ["app", "by hand"]
    assert {b.backend_id for b in state.backends("app")} == {"A", "B", "C"}
    assert {rule.hostname for rule in state.frontends(LISTENER)} == {"*", "a.test"}


def test_listeners_and_rules_come_with_a_batch() -> None:
    scene = DeskScene()
    events = scene.subscribe()
    orders = [http_listener(), frontend()]
    scene.ok(pb.Request(batch=pb.Batch(requests=orders)))
    assert events == ["LISTENER_ADDED", "FRONTEND_ADDED"]
    assert os.getpid() > 0


def test_large_changes_are_known_outside_while_they_are_made(tmp_path: Path) -> None:
    scene = DeskScene()
    scene.host.files["f"] = Config()
    scene.ok(cluster())
    dry = pb.ApplyConfiguration(path="f", dry_run=True)
    scene.ok(pb.Request(apply_configuration=dry))
    assert scene.host.reloads == []
    held: Deferred[None] = Deferred()
    scene.host.held = held
    asked = scene.begin(pb.Request(load_state=str(tmp_path / "none")))
    assert scene.host.reloads == ["begun"]
    held.callback(None)
    scene.settle()
    assert asked.answer.status == pb.FAILURE
    assert scene.host.reloads == ["begun", "ended"]
    scene.ok(pb.Request(reload_configuration="f"))
    assert scene.host.reloads == ["begun", "ended"] * 2


# Another process in the place of this one.


def test_an_upgrade_is_told_of_and_nothing_holds_here_any_more(tmp_path: Path) -> None:
    scene = DeskScene()
    events = scene.subscribe()
    asked = scene.ask(pb.Request(upgrade_main=pb.UpgradeMain()))
    assert asked.texts == ["Upgrading the main process..."]
    assert asked.answer.message.endswith("New main process has pid 4343")
    assert events == ["MAIN_UPGRADED"]
    before = loaded(scene)
    dry = pb.ApplyConfiguration(path="/etc/new.toml", dry_run=True)
    for is_stopping in (False, True):
        scene.host.is_stopping = is_stopping
        for late in (
            cluster(cluster_id="late"),
            pb.Request(save_state=str(tmp_path / "state")),
            pb.Request(apply_configuration=dry),
            pb.Request(upgrade_main=pb.UpgradeMain()),
        ):
            assert scene.refused(late) == REPLACED
    assert loaded(scene) == before
    assert os.listdir(tmp_path) == []


def test_an_upgrade_that_failed_leaves_all_as_it_was() -> None:
    scene = DeskScene()
    scene.host.upgraded = "it did not want to"
    events = scene.subscribe()
    text = scene.refused(pb.Request(upgrade_main=pb.UpgradeMain()))
    assert text == "Upgrade of main process failed: it did not want to"
    scene.ok(cluster(cluster_id="later"))
    assert events == ["CLUSTER_ADDED"]


def test_whoever_waits_for_an_upgrade_hears_that_it_goes_on() -> None:
    scene = DeskScene()
    timers = len(scene.world.clock.getDelayedCalls())
    under_way: Deferred[int] = Deferred()
    scene.host.upgrade = lambda: under_way
    asked = scene.begin(pb.Request(upgrade_main=pb.UpgradeMain()))
    order = scene.begin(cluster(cluster_id="late"))
    for _ in range(3):
        scene.world.clock.advance(10)
    assert asked.texts[1:] == ["Waiting for the new process..."] * 3
    assert order.answers == []
    under_way.callback(7)
    assert asked.answer.status == pb.OK
    assert order.answer.message == REPLACED
    assert len(scene.world.clock.getDelayedCalls()) == timers


# Workers that have it, or have not.


def test_an_order_is_answered_when_every_worker_has_it() -> None:
    crew = PlayedCrew(0, 1)
    crew.held = held = Deferred()
    scene = DeskScene(crew=crew)
    asked = scene.begin(cluster(cluster_id="new"))
    scene.settle()
    assert asked.answers == []
    held.callback([])
    assert asked.answer.status == pb.OK


@pytest.mark.parametrize("kind", ["order", "batch", "state", "file"])
def test_who_has_not_got_it_is_named(kind: str, tmp_path: Path) -> None:
    crew = PlayedCrew(0, 1)
    crew.faults = ["worker 1: it has no room"]
    scene = DeskScene(crew=crew)
    scene.host.files["f"] = Config()
    path = tmp_path / "state"
    path.write_bytes(b"".join(write_records([cluster(cluster_id="new")])))
    path.chmod(0o600)
    asked = {
        "order": cluster(cluster_id="new"),
        "batch": pb.Request(batch=pb.Batch(requests=[cluster(cluster_id="new")])),
        "state": pb.Request(load_state=str(path)),
        "file": pb.Request(reload_configuration="f"),
    }[kind]
    assert scene.refused(asked) == (
        "the main process has applied it, and not every worker has\nworker 1: it has no room"
    )
    if kind != "file":
        assert scene.world.applier.state.cluster("new") is not None
