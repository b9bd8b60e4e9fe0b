"""The example of doc/live-change.md does what the page says, while a request is under way."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, ROOT, Backend, Process, ReservedPort, connect, start

PAGE = (ROOT / "doc" / "live-change.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    """Return the blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


class Shop:
    """The first example, as it is, but for its ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reserved = ReservedPort()
        self.blue, self.green = Backend(name="blue"), Backend(name="green")
        self.ports = {
            "8080": str(self.reserved.port),
            "8001": str(self.blue.port),
            "8002": str(self.green.port),
        }
        self.path = folder / "my.toml"
        self.path.write_text(self.here(examples("toml")[0]), encoding="utf-8")
        self.process: Process = start(self.path)

    def here(self, text: str) -> str:
        """Return the text with the ports of this run."""
        return re.sub(r"\b(8080|8001|8002)\b", lambda found: self.ports[found[0]], text)

    def command(self, line: str) -> str:
        """Return what a command prints that succeeds."""
        done = subprocess.run(
            [BIN / "sozutw", *shlex.split(self.here(line))[1:]],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env={"PATH": "/usr/bin:/bin", "SOZUTW_CONFIG": "my.toml", "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    with shop.blue, shop.green, shop.process:
        shop.process.wait_for_port(shop.reserved.port)
        yield shop
        assert shop.process.stop() == 0
    shop.reserved.close()


def steps() -> list[tuple[str, str]]:
    """Return the commands of the transcript, each with what it prints."""
    parts = re.split(r"^\$ ", examples("console")[0], flags=re.MULTILINE)[1:]
    return [(command, told) for command, _, told in (part.partition("\n") for part in parts)]


def test_green_takes_over_from_blue_as_the_page_says(shop: Shop) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%b"
    ask = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(shop.reserved.port) as client:
        client.send(ask)
        blue = shop.blue.accept()
        blue.receive_message()
        assert len(steps()) == 3
        for command, told in steps():
            assert shop.command(command) == shop.here(told)
        blue.send(answer % b"blue ")
        assert client.receive_message()[1] == b"blue "
        client.send(ask)
        green = shop.green.accept()
        green.receive_message()
        green.send(answer % b"green")
        assert client.receive_message()[1] == b"green"
        blue.expect_end()


def test_a_saved_state_is_configured_as_the_page_says(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(examples("toml")[1] + examples("toml")[0], encoding="utf-8")
    done = subprocess.run(
        [BIN / "sozutw", "config", "check", "-c", path],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout + done.stderr
