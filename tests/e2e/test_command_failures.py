"""`sozutw` where the proxy cannot be asked: what is told, what to do about it, and the status."""

import json
import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner

from sozutw.cli.main import main
from tests.e2e.commanded import Asked, Commanded, silent, sozutw
from tests.e2e.harness import BIN, Process, wait_until

BOTH = pytest.mark.parametrize("is_json", [False, True], ids=["plain", "json"])
COMMANDS = (
    "status",
    "cluster list",
    "metrics get",
    "reload",
    "shutdown",
    "events",
    "state save -f x.json",
    "explain http://x.test/",
    "cluster h2 enable -i x",
    "listener http add -a 127.0.0.1:1",
)
"""One for each way that a command goes to the proxy."""


# Which proxy is meant.


@BOTH
@pytest.mark.parametrize("words", COMMANDS)
def test_who_names_no_proxy_is_told_how_to(is_json: bool, words: str) -> None:
    Asked(is_json=is_json).refused(
        words,
        2,
        "Which proxy is meant?",
        "-c FILE names its configuration, -s PATH its command socket;",
        "SOZUTW_CONFIG and SOZUTW_SOCKET in the environment do the same.",
    )


def test_a_proxy_is_found_by_all_that_can_name_it(commanded: Commanded) -> None:
    """The same command reaches it by each, before the subcommand, between or after it."""
    path, config = str(commanded.path), str(commanded.config)
    for words, environment in (
        (["-c", config, "cluster", "list"], {}),
        (["cluster", "--config", config, "list"], {}),
        (["cluster", "list", "-c", config], {}),
        (["-s", path, "cluster", "list"], {}),
        (["cluster", "list", "--socket", path], {}),
        (["cluster", "list"], {"SOZUTW_SOCKET": path}),
        (["cluster", "list"], {"SOZUTW_CONFIG": config}),
        # What stands nearer to the operator's hands wins.
        (["-s", path, "cluster", "list", "-c", "/nowhere.toml"], {"SOZUTW_SOCKET": "/nowhere"}),
        (["cluster", "list", "-c", config], {"SOZUTW_SOCKET": "/nowhere"}),
        (["-s", "/nowhere", "cluster", "list", "-s", path], {}),
        (["cluster", "list", "--timeout", "5000"], {"SOZUTW_SOCKET": path}),
        (["-t", "0", "cluster", "list"], {"SOZUTW_SOCKET": path}),
    ):
        clean = {"SOZUTW_SOCKET": "", "SOZUTW_CONFIG": ""}
        result = CliRunner(env=clean | environment).invoke(main, words, prog_name="sozutw")
        assert result.exit_code == 0, (words, result.output)
        assert result.stdout.startswith("CLUSTER ")
        for at in range(len(words) + 1):
            if words[at - 1 : at] and words[at - 1] in (
                "-c",
                "--config",
                "-s",
                "--socket",
                "-t",
                "--timeout",
            ):
                continue
            told = CliRunner(env=clean | environment).invoke(main, [*words[:at], "-j", *words[at:]])
            assert json.loads(told.stdout)["WORKER_RESPONSES"], words


@pytest.mark.parametrize("words", ["status -t soon", "status -t -1", "-t 1.5 status"])
@BOTH
def test_a_timeout_is_a_number_of_milliseconds(is_json: bool, words: str) -> None:
    Asked("-s", "/nowhere", is_json=is_json).misused(words, "a whole number from 0 to 4294967295")


# A socket that cannot be reached.


@BOTH
@pytest.mark.parametrize("words", COMMANDS)
def test_no_socket_is_there(is_json: bool, words: str) -> None:
    text = (
        "there is no command socket /nowhere/sozu.sock: is sozutw running, and is this the "
        "command_socket of its configuration?"
    )
    advice = "This path was told by --socket."
    Asked("-s", "/nowhere/sozu.sock", is_json=is_json).refused(words, 3, text, advice)


@BOTH
def test_nobody_answers(tmp_path: Path, is_json: bool) -> None:
    path = tmp_path / "sozu.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    text = f"nobody answers on {path}: sozutw is not running; start it"
    config = tmp_path / "sozutw.toml"
    config.write_text('command_socket = "sozu.sock"\n[broken')
    told_by = f"This path was told by command_socket in {config}."
    Asked("-c", str(config), is_json=is_json).refused("status", 3, text, told_by)


@BOTH
def test_a_file_is_no_socket(tmp_path: Path, is_json: bool) -> None:
    path = tmp_path / "letter"
    path.write_text("dear")
    text = f"{path} is no socket; give the command_socket of sozutw's configuration"
    advice = "This path was told by --socket."
    Asked("-s", str(path), is_json=is_json).refused("status", 3, text, advice)


@BOTH
def test_a_path_is_too_long(is_json: bool) -> None:
    path = f"/{'x' * 120}"
    text = f"{path} is too long for a socket: 121 bytes, where 107 are the most"
    advice = "This path was told by --socket."
    Asked("-s", path, is_json=is_json).refused("status", 3, text, advice)


def as_nobody(words: list[str], folder: Path) -> Process:
    """Run `sozutw` as a user who may do little: ourselves, or nobody if we are root."""
    before: list[str] = []
    if os.getuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("no setpriv")
        before = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    return Process([*before, BIN / "sozutw", *words], folder)


@pytest.fixture
def shared() -> Iterator[Path]:
    """Give a folder that everybody may look into, which those of pytest are not."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@BOTH
def test_a_socket_that_this_user_may_not_open(shared: Path, is_json: bool) -> None:
    path = shared / "sozu.sock"
    with silent(path):
        path.chmod(0o600 if os.getuid() == 0 else 0)
        with as_nobody(
            ["status", "-s", str(path), *(["-j"] if is_json else [])], shared
        ) as command:
            assert command.wait() == 3, command.said()
            told = command.stdout() if is_json else command.stderr()
            assert f"this user may not open {path}: become " in told


@BOTH
def test_a_configuration_that_this_user_may_not_read(shared: Path, is_json: bool) -> None:
    config = shared / "sozutw.toml"
    config.touch(mode=0o600 if os.getuid() == 0 else 0)
    with as_nobody(["status", "-c", str(config), *(["-j"] if is_json else [])], shared) as command:
        assert command.wait() == 78, command.said()
        told = command.stdout() if is_json else command.stderr()
        assert f"{config}: cannot be read: Permission denied" in told
        assert "-s PATH names the command socket without it." in told


# A configuration that does not say where.


@BOTH
@pytest.mark.parametrize("words", COMMANDS)
def test_the_configuration_is_missing(tmp_path: Path, is_json: bool, words: str) -> None:
    config = tmp_path / "sozutw.toml"
    text = f"{config}: cannot be read: No such file or directory"
    Asked("-c", str(config), is_json=is_json).refused(words, 78, text)


@BOTH
@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"command_socket", "this is no TOML: Expected '=' after a key in a key/value pair"),
        (b"command_socket = 3", "command_socket is 3; "),
        (b'ctl_command_timeout = "long"', 'ctl_command_timeout is "long"; '),
        (b"# \xff", "byte 2 is not UTF-8"),
    ],
)
def test_the_configuration_is_broken(
    tmp_path: Path, is_json: bool, content: bytes, text: str
) -> None:
    config = tmp_path / "sozutw.toml"
    config.write_bytes(content)
    result = Asked("-c", str(config), is_json=is_json).call("status")
    assert result.exit_code == 78
    if is_json:
        told = json.loads(result.stdout)
        assert (told["code"], result.stderr) == (78, "")
        assert told["error"].startswith(f"{config}: {text}")
    else:
        assert result.stdout == ""
        assert result.stderr.startswith(f"{config}: {text}")
        assert (
            "not UTF-8" in text or f"  `sozutw config check -c {config}` tells all" in result.stderr
        )


@BOTH
@pytest.mark.parametrize("content", ['command_socket = "x"\n[nonsense', "max_connections = -1\n"])
def test_a_configuration_is_checked(tmp_path: Path, is_json: bool, content: str) -> None:
    config = tmp_path / "sozutw.toml"
    config.write_text(content)
    told = Asked(is_json=is_json).told(f"config check -c {config}", status=78)
    if is_json:
        assert told["file"] == str(config)
        assert told["good"] is False
        assert told["problems"]
        assert "error" in {problem["severity"] for problem in told["problems"]}
    else:
        assert told[0].startswith(f"{config}:")
    Asked(is_json=is_json).misused("config check", "Missing option '-c' / '--config'")


@BOTH
def test_a_good_configuration_is_checked(commanded: Commanded, is_json: bool) -> None:
    asked = commanded.asked(is_json=is_json)
    for words in ("config check", f"config check --config {commanded.config}"):
        told = asked.told(words)
        if is_json:
            expected = {"file": str(commanded.config), "good": True, "problems": [], "names": {}}
            assert told == expected
        else:
            assert told == [f"{commanded.config}: good"]


@BOTH
def test_what_is_not_served_is_left_out_if_asked(tmp_path: Path, is_json: bool) -> None:
    config = tmp_path / "sozutw.toml"
    config.write_text('[[listeners]]\nprotocol = "tcp"\naddress = "127.0.0.1:1"\n')
    asked = Asked(is_json=is_json)
    strict = asked.told(f"config check -c {config}", status=78)
    lenient = asked.told(f"config check --skip-unsupported -c {config}")
    if is_json:
        assert (strict["good"], lenient["good"]) == (False, True)
        assert {problem["severity"] for problem in lenient["problems"]} == {"warning"}
    else:
        assert "is not served by this version; leave it out, or use --skip-unsupported" in strict[0]
        assert lenient[-1] == f"{config}: good"


# Somebody who is no proxy, or none that answers.


@BOTH
@pytest.mark.parametrize("words", COMMANDS)
def test_who_says_nothing_leaves_it_unknown(tmp_path: Path, is_json: bool, words: str) -> None:
    path = tmp_path / "sozu.sock"
    if words == "events":
        text = "nothing has happened for 0.02 s"
    else:
        text = (
            f"no answer on {path} for 0.02 s; whether the request is carried out is not known: "
            "look before repeating it, or allow more time"
        )
    advice = "-t MS waits longer, -t 0 without limit."
    with silent(path):
        Asked("-s", str(path), "-t", "20", is_json=is_json).refused(words, 4, text, advice)


@BOTH
def test_the_configuration_says_how_long_an_answer_may_take(tmp_path: Path, is_json: bool) -> None:
    path = tmp_path / "sozu.sock"
    config = tmp_path / "sozutw.toml"
    config.write_text('command_socket = "sozu.sock"\nctl_command_timeout = 30\n')
    with silent(path):
        result = Asked("-c", str(config), is_json=is_json).call("status")
    assert result.exit_code == 4
    assert f"no answer on {path} for 0.03 s" in result.output


def test_without_limit_only_ctrl_c_ends_the_waiting(tmp_path: Path) -> None:
    path = tmp_path / "sozu.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        with sozutw(["status", "-t", "0", "-s", path], tmp_path) as command:
            listening.settimeout(10)
            client, _ = listening.accept()
            with client:
                assert client.recv(100)
                command.signal(signal.SIGINT)
                assert command.wait() not in (0, None)
                assert "Traceback" not in command.stderr()


@contextmanager
def saying(path: Path, answer: bytes) -> Iterator[None]:
    """Have somebody at a path who says the same to everybody, and leaves."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def serve() -> None:
        client, _ = listening.accept()
        with client:
            client.recv(1000)
            client.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    with listening:
        yield
        thread.join()
    path.unlink()


@BOTH
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "sozutw closed it"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "this is no answer: "),
        (b"\x00" * 16, "this is no answer: "),
        (b"\x0a\x00\x00\x00\x00\x00\x00\x00\xff\xff", "this is no answer: "),
    ],
)
def test_who_speaks_otherwise_leaves_it_unknown(
    tmp_path: Path, is_json: bool, answer: bytes, why: str
) -> None:
    path = tmp_path / "sozu.sock"
    with saying(path, answer):
        result = Asked("-s", str(path), is_json=is_json).call("status")
    assert result.exit_code == 4
    told = json.loads(result.stdout)["error"] if is_json else result.stderr
    assert told.startswith(f"the conversation on {path} broke off: {why}")
    assert "whether the request is carried out is not known" in told


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commanded]:
    """A proxy that takes commands of one user, who is somebody else."""
    folder = tmp_path_factory.mktemp("guarded")
    with Commanded(folder, top="command_allowed_uids = [4242]") as proxy:
        yield proxy


@BOTH
@pytest.mark.parametrize("words", [w for w in COMMANDS if w != "shutdown"])
def test_a_user_who_may_not_is_refused(guarded: Commanded, is_json: bool, words: str) -> None:
    result = guarded.asked(is_json=is_json).call(words)
    assert result.exit_code == 1, result.output
    advice = "command_allowed_uids of the configuration says who may."
    if is_json:
        told = json.loads(result.stdout)
        assert told["error"].startswith(f"Request failed: unauthorized: actor UID {os.getuid()} ")
        assert told["advice"] == [advice]
    else:
        assert result.stderr.endswith(f"\n  {advice}\n")


@BOTH
def test_no_shutdown_by_a_user_who_may_not(guarded: Commanded, is_json: bool) -> None:
    assert guarded.asked(is_json=is_json).call("shutdown --hard").exit_code == 1
    assert guarded.process.status is None
    assert guarded.answers() in ("a", "b")


def test_a_client_that_leaves_in_the_middle_disturbs_nobody(commanded: Commanded) -> None:
    with socket.socket(socket.AF_UNIX) as rude:
        rude.connect(str(commanded.path))
        rude.sendall(b"\x20\x00\x00\x00")
        assert commanded.asked(is_json=True).told("status")
    descriptors = commanded.process.count_descriptors
    before = descriptors()
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as rude:
            rude.connect(str(commanded.path))
    wait_until(lambda: descriptors() <= before, "nobody left")
