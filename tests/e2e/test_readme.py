"""The commands of the README's first screen do what it says, in the order that it says them."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, ROOT, Process, ReservedPort, wait_until

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


PORTS = ("8080", "8443", "8000", "8001", "8002")


def ports() -> dict[str, str]:
    """Return a free port for each that the README names; the real ones may be somebody's."""
    reserved = [ReservedPort() for _ in PORTS]
    for port in reserved:
        port.close()
    return dict(zip(PORTS, (str(r.port) for r in reserved), strict=True))


def moved(text: str, to: dict[str, str]) -> str:
    return re.sub(rf"\b({'|'.join(PORTS)})\b", lambda found: to[found.group()], text)


def only(prefix: str) -> str:
    (command,) = (c for c in COMMANDS if c.startswith(prefix))
    return command


def run(command: str, folder: Path, to: dict[str, str]) -> Process:
    """Start a command of the README in the checkout, as if its ports were free."""
    environment = {"SOZUTW_DEMO_PORT": to["8080"], "SOZUTW_DEMO_TLS_PORT": to["8443"]}
    words = shlex.split(command)
    words[0] = str(ROOT / words[0])
    return Process(words, folder, environment)


def curl(command: str, to: dict[str, str]) -> str:
    """Run a curl line of the README; what streams for ever is cut after three seconds."""
    if shutil.which("curl") is None and not os.environ.get("CI"):
        pytest.skip("no curl")
    words = shlex.split(moved(command, to))
    answer = subprocess.run(
        [*words[:1], "-sS", "--max-time", "3", *words[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode in (0, 28), answer.stderr
    return answer.stdout


def web_server(folder: Path, port: str, name: str) -> Process:
    home = folder / name
    home.mkdir()
    (home / "index.html").write_text(name)
    python = str(BIN / "python")
    server = Process([python, "-m", "http.server", "--bind", "127.0.0.1", port], home)
    return server.wait_for_port(int(port))


def measured(scenario: str, measure: str) -> tuple[str, str]:
    """Return how a figure of doc/performance.md compares with nginx's and with HAProxy's."""
    page = (ROOT / "doc" / "performance.md").read_text(encoding="utf-8")
    table = page.partition("bench plain: begin")[2].partition("bench plain: end")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]
    header = next(row for row in rows if row and row[0] == "scenario")
    (row,) = (row for row in rows if row[:2] == [scenario, measure])
    return row[header.index("÷ nginx")], row[header.index("÷ haproxy")]


@pytest.mark.parametrize(
    ("line", "scenario", "measure"),
    [
        ("a small request on a kept connection", "keep-alive-3", "CPU µs per request"),
        ("a new connection for each request", "new-connection", "CPU µs per request"),
        ("a download of 100 MiB", "download", "CPU-seconds per GiB"),
    ],
)
def test_the_figures_are_those_that_were_measured(line: str, scenario: str, measure: str) -> None:
    told = re.search(rf"- {line}: ([\d.]+) × nginx's CPU, ([\d.]+) × HAProxy's", README)
    assert told is not None
    assert told.groups() == measured(scenario, measure)


def test_the_first_command_gives_a_proxy_that_the_next_ones_ask(tmp_path: Path) -> None:
    to = ports()
    assert COMMANDS[0] == "scripts/run"
    with run(COMMANDS[0], tmp_path, to) as process:
        process.wait_for_port(int(to["8080"]), seconds=50)
        answers = {curl(only("curl -i"), to).partition("Hello from ")[2][:11] for _ in range(4)}
        assert answers == {"backend one", "backend two"}
        assert "data: tick from backend" in curl(only("curl -N"), to)
        assert "Hello from backend" in curl(only("curl -k"), to)
        assert process.stop() == 0


def test_serve_needs_no_file(tmp_path: Path) -> None:
    to = ports()
    with (
        web_server(tmp_path, to["8000"], "one"),
        web_server(tmp_path, to["8001"], "two"),
        run(moved(only(".venv/bin/sozutw serve"), to), tmp_path, to) as process,
    ):
        process.wait_for_port(int(to["8080"]))
        address = f"curl http://127.0.0.1:{to['8080']}/"
        assert {curl(address, {}) for _ in range(4)} == {"one", "two"}
        assert process.stop() == 0


def test_the_example_file_is_judged_and_served(tmp_path: Path) -> None:
    to = ports()
    example = (ROOT / "etc" / "sozutw.toml").read_text(encoding="utf-8")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "sozutw.toml").write_text(moved(example, to), encoding="utf-8")
    with run(only(".venv/bin/sozutw config check"), tmp_path, to) as check:
        assert check.wait() == 0, check.said()
    with (
        web_server(tmp_path, to["8000"], "one"),
        web_server(tmp_path, to["8001"], "two"),
        run(only("scripts/run -c"), tmp_path, to) as process,
    ):
        process.wait_for_port(int(to["8080"]))
        address = f"curl http://localhost:{to['8080']}/"
        wait_until(lambda: curl(address, {}) in ("one", "two"), "an answer", said=process.said)
        assert process.stop() == 0


def test_the_example_is_changed_while_it_runs(tmp_path: Path) -> None:
    to = ports()
    example = (ROOT / "etc" / "sozutw.toml").read_text(encoding="utf-8")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "sozutw.toml").write_text(moved(example, to), encoding="utf-8")

    def ask(prefix: str) -> str:
        with run(moved(only(f".venv/bin/sozutw {prefix}"), to), tmp_path, to) as command:
            assert command.wait() == 0, command.said()
            return command.stdout()

    with (
        web_server(tmp_path, to["8002"], "three"),
        run(only("scripts/run -c"), tmp_path, to) as process,
    ):
        process.wait_for_text("2 workers serve")
        told = ask("cluster list")
        assert to["8000"] in told
        assert to["8002"] not in told
        assert ask("backend add").startswith("Success: ")
        told = ask("explain")
        assert "cluster: site" in told
        assert to["8002"] in told
        # Neither of the first two is there: the third is what serves.
        address = f"curl http://localhost:{to['8080']}/"
        wait_until(lambda: curl(address, {}) == "three", "the third server", said=process.said)
        assert process.stop() == 0
    assert not (tmp_path / "etc" / "sozu.sock").exists()
