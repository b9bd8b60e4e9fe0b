"""`sozutw` as a program: what a shell sees of it, and the commands that serve."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.commanded import SUCCESS, Commanded, sozutw
from tests.e2e.harness import BIN, Process, ReservedPort, get, wait_until


def ended(words: str, folder: Path, status: int = 0, **environment: str) -> Process:
    """Return a process of `sozutw` that has ended with this status."""
    command = sozutw(words.split(), folder, environment)
    assert command.wait() == status, command.said()
    return command


# A sample of what all other tests call within their own process.


@pytest.mark.parametrize(
    ("words", "status", "stdout", "stderr"),
    [
        ("connection-limit show", 0, "no limit\n", ""),
        ("logging info", 0, SUCCESS, ""),
        ("cluster remove -i nix", 1, "", "there is no cluster 'nix' to remove"),
        ("cluster remove", 2, "", "Error: Missing option '-i' / '--id'."),
        ("status -s /nowhere", 3, "", "there is no command socket /nowhere"),
    ],
)
def test_a_shell_sees_status_and_streams(
    commanded: Commanded, words: str, status: int, stdout: str, stderr: str
) -> None:
    with commanded.run(words) as command:
        assert command.wait() == status, command.said()
        assert command.stdout() == stdout
        assert stderr in command.stderr()
        assert bool(stderr) == bool(command.stderr())
    with commanded.run(f"{words} --json") as command:
        assert command.wait() == status, command.said()
        told = json.loads(command.stdout())
        assert told.get("code", 0) == status
        assert stderr.removeprefix("Error: ") in told.get("error", "")
        assert command.stderr() == ""


def test_who_reads_only_the_beginning_gets_no_traceback(commanded: Commanded) -> None:
    words = [str(BIN / "sozutw"), "metrics", "get", "-c", str(commanded.config)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout is not None
        command.stdout.close()
        assert command.stderr is not None
        assert b"Traceback" not in command.stderr.read()
        assert command.wait(20) != 0


# Help, version, completions.


def test_the_version_is_told(tmp_path: Path) -> None:
    long, short = (ended(words, tmp_path).stdout() for words in ("--version", "-V"))
    assert long == short
    assert long.startswith("sozutw, version ")


def test_the_modules_of_other_commands_are_not_read(tmp_path: Path) -> None:
    python = str(BIN / "python")
    code = (
        "import sys\nfrom sozutw.cli.main import main\ntry: main(['--help'])\n"
        "except SystemExit: pass\nassert 'twisted' not in sys.modules"
    )
    with Process([python, "-c", code], tmp_path) as command:
        assert command.wait() == 0, command.said()
        assert "Exit statuses:" in command.stdout()


COMPLETIONS = ("completion bash", "completion zsh", "completion fish")


@pytest.mark.parametrize("words", COMPLETIONS)
def test_a_shell_takes_its_script(tmp_path: Path, words: str) -> None:
    script = ended(words, tmp_path).stdout()
    shell = words.split()[1]
    path = tmp_path / f"script.{shell}"
    path.write_text(script)
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n", str(path)], check=True, timeout=20)
    assert "_SOZUTW_COMPLETE" in script
    assert ended(f"{words} -j", tmp_path).stdout() == script


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("sozutw clu", {"cluster"}),
        ("sozutw cluster h", {"h2", "health-check"}),
        ("sozutw cluster add --load-balancing-policy r", {"round_robin", "random"}),
        ("sozutw frontend http add --position p", {"pre", "post"}),
        ("sozutw backend add --ba", {"--backend-id", "--backup"}),
    ],
)
def test_bash_is_told_what_may_come_next(tmp_path: Path, words: str, completed: set[str]) -> None:
    command = ended(
        "",
        tmp_path,
        _SOZUTW_COMPLETE="bash_complete",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split()) - 1),
    )
    assert {line.partition(",")[2] for line in command.stdout().splitlines()} == completed


# The commands that serve.


@pytest.mark.parametrize("words", ["start", "start --skip-unsupported"])
def test_start_serves_what_it_can_or_says_why_not(
    tmp_path: Path, words: str, commanded: Commanded
) -> None:
    with ReservedPort() as port:
        config = tmp_path / "sozutw.toml"
        config.write_text(
            "worker_count = 0\n"
            f'command_socket = "sozu.sock"\n[[listeners]]\nprotocol = "http"\naddress = "{port}"\n'
            '[[listeners]]\nprotocol = "tcp"\naddress = "127.0.0.1:1"\n'
        )
        with sozutw([*words.split(), "-c", config], tmp_path) as process:
            if words == "start":
                assert process.wait() == 78
                assert "is not served by this version" in process.stderr()
                return
            process.wait_for_port(port.port)
            process.wait_for_text("commands are taken at")
            assert "is not served by this version" in process.stderr()
            told = ended(f"listener list -j -s {tmp_path}/sozu.sock", tmp_path).stdout()
            assert json.loads(told)["LISTENERS_LIST"]["tcp_listeners"] == {}
            # What was left out at the start is left out of a reload too.
            words = f"reload -c {config}"
            assert ended(words, tmp_path).stdout().startswith("Success: ")
            assert process.stop() == 0


def test_serve_needs_no_configuration(tmp_path: Path, commanded: Commanded) -> None:
    a, b = commanded.echoes
    with ReservedPort() as port:
        words = f"serve --listen {port} --to {a} --to {b}"
        with sozutw(words.split(), tmp_path) as process:
            process.wait_for_port(port.port)
            assert {json.loads(get(port.port)[2])["by"] for _ in range(4)} == {"a", "b"}
            assert process.stop() == 0
    assert "are meant" in ended("serve --listen nowhere --to 127.0.0.1:1", tmp_path, 2).stderr()


def test_demo_brings_its_own_backends(tmp_path: Path) -> None:
    with ReservedPort() as port, ReservedPort() as tls:
        words = f"demo --port {port.port} --tls-port {tls.port}"
        with sozutw(words.split(), tmp_path) as process:
            process.wait_for_port(port.port)
            wait_until(lambda: get(port.port)[0] == 200, "an answer", said=process.said)
            assert process.stop() == 0
