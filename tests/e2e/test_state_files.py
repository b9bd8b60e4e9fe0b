"""States that one process saves and another loads, with traffic on what they configure."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sozutw.control.client import Client, RefusedError, written
from tests.e2e.harness import Process, get, is_refused, wait_until
from tests.e2e.live import HOST, Crowd, LiveStage, loaded, start, wait_for_file
from tests.e2e.stage import SECONDS_MAX, status_of
from tests.e2e.stage import get as get_text
from tests.e2e.tls import shown_by, tls_connect, trusting


@contextmanager
def another(folder: Path, *lines: str) -> Iterator[tuple[Process, Client]]:
    """Start a process whose file configures nothing, but for what these lines say."""
    folder.mkdir(exist_ok=True)
    log = f'access_logs_target = "file://{folder / "access.log"}"'
    text = ["worker_count = 0", 'command_socket = "s.sock"', log, *lines, ""]
    (folder / "empty.toml").write_text("\n".join(text))
    with start(folder / "empty.toml") as process:
        process.wait_for_text("commands are taken at")
        with Client(folder / "s.sock", timeout=SECONDS_MAX) as client:
            yield process, client
        assert process.stop() == 0
        assert "Traceback" not in process.stdout() + process.stderr()


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    with Crowd(["shop"]) as backends:
        yield backends


def configure(stage: LiveStage, crowd: Crowd) -> None:
    """Lead both listeners to a cluster that the file knows nothing of."""
    held = stage.authority.issue("shop.example")
    stage.command.batch(
        [
            written.add_cluster("shop", sticky_session=True),
            written.add_backend("shop", "shop", f"127.0.0.1:{crowd.ports['shop']}"),
            written.add_http_frontend(stage.at, "shop.example", "shop", tags={"owner": "Ä"}),
            written.add_https_frontend(stage.tls_at, "shop.example", "shop"),
            written.add_certificate(stage.tls_at, held.certificate + held.chain, held.key),
        ]
    )


def expect_traffic(stage: LiveStage) -> None:
    """Demand that the shop is served on both listeners."""
    assert get(stage.port, "/", "shop.example")[::2] == (200, b"shop")
    with tls_connect(stage.tls_port, trusting(stage.authority), "shop.example") as client:
        assert shown_by(client) != stage.certificate.fingerprint
        client.send(get_text("/", "shop.example"))
        head, body = client.receive_message(SECONDS_MAX)
        assert (status_of(head), body) == (200, b"shop")


def end(stage: LiveStage) -> None:
    """Stop the first process, so that others may have its ports."""
    stage.command.close()
    stage.stop()
    stage.has_stopped = True


def test_a_state_is_saved_by_one_process_and_loaded_by_others(tmp_path: Path, crowd: Crowd) -> None:
    saved = tmp_path / "saved.state"
    with LiveStage(tmp_path, 1) as stage:
        configure(stage, crowd)
        expect_traffic(stage)
        told = stage.command.save_state(str(saved))
        assert stat.S_IMODE(saved.stat().st_mode) == 0o600
        records = saved.read_bytes().count(b"\0")
        assert f"Saved {records} config messages" in told.message
        with another(tmp_path / "meanwhile") as (_, client):
            # What cannot be is told, and the rest is there.
            told = client.load_state(str(saved))
            assert loaded(told) == (records - 2, 2)
            assert "Address already in use" in told.message
        end(stage)
        assert is_refused(stage.port)
        with another(tmp_path / "loads") as (_, client):
            assert loaded(client.load_state(str(saved))) == (records, 0)
            expect_traffic(stage)
            told = client.load_state(str(saved))
            assert loaded(told)[1] == 0
            assert "were so already" in told.message
            again = tmp_path / "again.state"
            client.save_state(str(again))
            assert again.read_bytes() == saved.read_bytes()
        with another(tmp_path / "starts", f'saved_state = "{saved}"') as (process, client):
            assert f"saved_state: {records} orders of {saved} applied" in process.stdout()
            expect_traffic(stage)


def test_automatic_state_save_really_saves(tmp_path: Path, crowd: Crowd) -> None:
    saved = tmp_path / "auto.state"
    top = f'saved_state = "{saved}"\nautomatic_state_save = true'
    with LiveStage(tmp_path, 1, top=top) as stage:
        assert not saved.exists()
        configure(stage, crowd)
        wait_for_file(saved, b"shop.example")
        # What was ordered just before the end is saved at the end.
        stage.command.add_http_frontend(stage.at, "late.example", "shop")
        end(stage)
        assert b"late.example" in saved.read_bytes()
        with another(tmp_path / "starts", *top.splitlines()) as (_, client):
            expect_traffic(stage)
            assert get(stage.port, "/", "late.example")[::2] == (200, b"shop")
            client.remove_http_frontend(stage.at, "late.example", "shop")
            wait_until(lambda: b"late.example" not in saved.read_bytes(), "saved again")
        assert [path.name for path in tmp_path.glob("auto.state*")] == ["auto.state"]


def torn(state: Path) -> tuple[bytes, str]:
    whole = state.read_bytes()
    number = whole.count(b"\0")
    return whole[:-40], f"record {number} is torn"


def foreign(state: Path) -> tuple[bytes, str]:
    return b"# not a state\n" + state.read_bytes(), "record 1 is no JSON"


@pytest.mark.parametrize("spoil", [torn, foreign])
def test_a_process_starts_with_its_file_when_the_state_is_spoilt(
    tmp_path: Path, crowd: Crowd, spoil: object
) -> None:
    saved = tmp_path / "saved.state"
    with LiveStage(tmp_path, 1) as stage:
        configure(stage, crowd)
        stage.command.save_state(str(saved))
        assert callable(spoil)
        data, reason = spoil(saved)
        saved.write_bytes(data)
        stage.command.remove_http_frontend(stage.at, "shop.example", "shop")
        with pytest.raises(RefusedError, match=f"{reason}.*nothing of it is applied"):
            stage.command.load_state(str(saved))
        assert get(stage.port, "/", "shop.example")[0] == 404
        end(stage)
        listener = f'[[listeners]]\nprotocol = "http"\naddress = "{stage.at}"'
        top = f'saved_state = "{saved}"\nautomatic_state_save = true'
        with another(tmp_path / "starts", top, listener) as (process, client):
            assert f"saved_state is left out: {saved}: {reason}" in process.stdout()
            assert get(stage.port, "/", "shop.example")[0] == 404
            assert is_refused(stage.tls_port)
            # Nothing has changed, so that what may be mended by hand is not written over.
            assert saved.read_bytes() == data
            assert client.status()


def test_a_state_that_others_may_read_is_refused(tmp_path: Path) -> None:
    saved = tmp_path / "saved.state"
    with LiveStage(tmp_path, 1) as stage:
        stage.command.save_state(str(saved))
        os.chmod(saved, 0o640)
        with pytest.raises(RefusedError, match=f"chmod 600 {saved}"):
            stage.command.load_state(str(saved))
        with pytest.raises(RefusedError, match="Cannot find file"):
            stage.command.load_state(str(tmp_path / "nothing"))
        with pytest.raises(RefusedError, match="Cannot create file"):
            stage.command.save_state(str(tmp_path / "no" / "folder"))
        stage.command.save_state(str(saved), without_keys=True)
        assert b"PRIVATE KEY" not in saved.read_bytes()
        assert HOST.encode() in saved.read_bytes()
