"""A configuration file that is changed on the disk and reloaded while traffic flows."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sozutw.control.client import RefusedError
from sozutw.control.proto import command_pb2 as pb
from tests.e2e.harness import wait_until
from tests.e2e.live import HOST, Download, LiveStage, WebSocket, expect_gone, serve
from tests.e2e.stage import status_of


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[LiveStage]:
    more = '[clusters.second]\nprotocol = "http"\nfrontends = [\n]\nbackends = []'
    with LiveStage(tmp_path, 2, more=more) as live:
        yield live


def edit(stage: LiveStage, old: str, new: str) -> None:
    """Change a place of the file."""
    text = stage.config.read_text()
    assert text.count(old) == 1, (old, text)
    stage.config.write_text(text.replace(old, new))


def reload(stage: LiveStage) -> pb.Response:
    return stage.order(reload_configuration="")


def hang_up_signal(stage: LiveStage, text: str) -> str:
    """Send SIGHUP, and return what the log says until this text is in it."""
    before = len(stage.process.stdout())
    stage.process.signal(signal.SIGHUP)

    def said() -> str:
        return stage.process.stdout()[before:]

    wait_until(lambda: text in said(), text, said=stage.said)
    return said()


def frontend(stage: LiveStage, host: str) -> str:
    return f'{{ address = "{stage.at}", hostname = "{host}" }},\n'


def entry(stage: LiveStage, name: str) -> str:
    (backend,) = (b for b in stage.backends if b.name == name)
    return f'{{ address = "{backend}", backend_id = "{name}" }}'


def test_a_reload_applies_what_differs_and_touches_nothing_else(stage: LiveStage) -> None:
    a, b = stage.backends
    edit(stage, f", {entry(stage, 'B')}", "")
    assert "1 ok, 0 errors" in reload(stage).message
    held = [kind(stage.client(), a) for kind in (WebSocket, Download)]
    client = stage.client()
    peer = serve(client, a)
    # Another backend for all, another cluster for another host, another timeout.
    edit(stage, entry(stage, "A"), entry(stage, "B"))
    edit(stage, "frontends = [\n]", f"frontends = [\n{frontend(stage, 'second.example')}]")
    edit(
        stage,
        f'"http"\naddress = "{stage.at}"',
        f'"http"\naddress = "{stage.at}"\nfront_timeout = 60',
    )
    told = reload(stage)
    assert "0 errors" in told.message
    expect_gone(peer)
    serve(client, b)
    assert stage.status(client, "second.example") == 503
    for each in held:
        each.check()
        each.exchange()
        each.end()
    assert "0 ok, 0 errors" in reload(stage).message


def test_sighup_reads_the_file_again_and_reopens_the_logs(stage: LiveStage) -> None:
    kinds = zip((WebSocket, Download), stage.backends, strict=True)
    held = [kind(stage.client(), backend) for kind, backend in kinds]
    client = stage.client()
    assert stage.status(client, "second.example") == 404
    edit(stage, "frontends = [\n]", f"frontends = [\n{frontend(stage, 'second.example')}]")
    old = stage.log_path.rename(stage.folder / "access.log.1")
    said = hang_up_signal(stage, "Successfully loaded the config: 1 ok, 0 errors")
    assert f"SIGHUP: add_http_frontend frontend:{stage.at} second.example -> second" in said
    assert stage.status(client, "second.example") == 503
    wait_until(lambda: " 503 " in stage.log_path.read_text(), "a line in the new log")
    assert " 404\n" in old.read_text()
    for each in held:
        each.check()
        each.exchange()
        each.end()


def test_sighup_with_a_file_that_is_wrong_says_where_and_goes_on(stage: LiveStage) -> None:
    client = stage.client()
    text = stage.config.read_text()
    stage.config.write_text(text.replace("back_timeout = 120", "back_timeout = -1"))
    (line,) = (n for n, x in enumerate(text.splitlines(), 1) if x == "back_timeout = 120")
    said = hang_up_signal(stage, f"{stage.config}:{line}: back_timeout")
    assert "Successfully" not in said
    assert stage.status(client, "second.example") == 404
    stage.config.write_text(text)
    hang_up_signal(stage, "Successfully loaded the config: 0 ok, 0 errors")


def test_sighup_while_it_stops_changes_nothing(stage: LiveStage) -> None:
    client = stage.client()
    assert stage.status(client, "second.example") == 404
    edit(stage, "frontends = [\n]", f"frontends = [\n{frontend(stage, 'second.example')}]")
    stage.process.signal(signal.SIGTERM)
    stage.process.wait_for_text("stopping: ")
    old = stage.log_path.rename(stage.folder / "access.log.1")
    stage.process.signal(signal.SIGHUP)
    # Its logs are reopened all the same: who rotates them needs that.
    wait_until(stage.log_path.exists, "a new log")
    assert stage.status(client, "second.example") == 404
    assert stage.process.wait() == 0
    assert "SIGHUP" not in stage.process.stdout()
    assert " 404\n" in stage.log_path.read_text()
    assert " 404\n" in old.read_text()
    stage.has_stopped = True


def test_what_was_ordered_beside_the_file_goes_unless_it_is_kept(stage: LiveStage) -> None:
    client = stage.client()
    stage.command.add_http_frontend(stage.at, "ordered.example", "second")
    edit(stage, "frontends = [\n]", f"frontends = [\n{frontend(stage, 'second.example')}]")
    keep = pb.ApplyConfiguration(path=str(stage.config), keep=True)
    told = stage.order(apply_configuration=keep)
    assert "1 ok, 0 errors" in told.message
    assert stage.status(client, "ordered.example") == 503
    assert stage.status(client, "second.example") == 503
    dry = stage.order(
        apply_configuration=pb.ApplyConfiguration(path=str(stage.config), dry_run=True)
    )
    (change,) = dry.content.changes.requests
    assert change.remove_http_frontend.hostname == "ordered.example"
    assert stage.status(client, "ordered.example") == 503
    assert "1 ok, 0 errors" in reload(stage).message
    assert stage.status(client, "ordered.example") == 404
    assert stage.status(client, "second.example") == 503


def test_an_invalid_file_changes_nothing_and_tells_the_line(stage: LiveStage) -> None:
    client = stage.client()
    backend, peer = stage.exchange(client)
    before = stage.config.read_text()
    edit(stage, "frontends = [\n]", f"frontends = [\n{frontend(stage, 'second.example')}]")
    stage.config.write_text(stage.config.read_text() + '\n[clusters.bad]\nprotocol = "smtp"\n')
    line = len(before.splitlines()) + 4
    with pytest.raises(RefusedError, match=rf"sozutw\.toml:{line}: .*protocol"):
        reload(stage)
    stage.config.write_text(before + "\n[[[\n")
    with pytest.raises(RefusedError, match=r"sozutw\.toml:\d+"):
        reload(stage)
    assert stage.status(client, "second.example") == 404
    # The other's turn, and then on the same connection as before.
    stage.exchange(client, "/2")
    assert stage.exchange(client, "/3") == (backend, peer)
    # Mended, it works.
    stage.config.write_text(before)
    assert "0 ok, 0 errors" in reload(stage).message


@pytest.mark.parametrize("make", ["gone", "folder", "forbidden"])
def test_an_unreadable_file_changes_nothing_and_is_told(stage: LiveStage, make: str) -> None:
    client = stage.client()
    stage.exchange(client)
    text = stage.config.read_text()
    stage.config.unlink()
    if make == "folder":
        stage.config.mkdir()
    elif make == "forbidden":
        if os.geteuid() == 0:
            # Nothing is forbidden to root; a link to itself can be read by nobody.
            stage.config.symlink_to(stage.config.name)
        else:
            stage.config.write_text(text)
            stage.config.chmod(0)
    with pytest.raises(RefusedError, match=r"sozutw\.toml"):
        reload(stage)
    stage.exchange(client, "/2")
    assert status_of(stage.ask(client, "nobody.example")[0]) == 404


def test_a_certificate_that_is_replaced_on_the_disk_is_served_after_a_reload(
    stage: LiveStage,
) -> None:
    kept = stage.tls_client()
    stage.exchange(kept)
    fresh = stage.authority.issue(HOST)
    fresh.write(stage.folder, HOST)
    reload(stage)
    assert stage.shown() == fresh.fingerprint
    stage.exchange(kept, "/2")
