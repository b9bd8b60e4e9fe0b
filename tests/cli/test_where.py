"""The command socket is found by what stands nearest; of a file only what matters is read."""

from pathlib import Path

import click
import pytest

from sozutw.cli.commands import CONFIG, SOCKET, TIMEOUT
from sozutw.cli.outcome import NotDoneError
from sozutw.cli.where import Where, find, read_where


def found(environment: dict[str, str], **given: object) -> Where:
    keys = {"config": CONFIG, "socket": SOCKET, "timeout": TIMEOUT}
    ctx = click.Context(click.Command("x"))
    ctx.meta.update({keys[name]: value for name, value in given.items()})
    return find(ctx, environment)


def write(folder: Path, text: str, name: str = "c.toml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


FILE = 'command_socket = "run/s.sock"\nctl_command_timeout = 250\n'


def test_the_socket_itself_needs_no_file(tmp_path: Path) -> None:
    where = found({}, socket="/run/s", config="/nowhere")
    assert (where.path, where.told_by, where.timeout) == ("/run/s", "--socket", 1.0)
    assert found({"SOZUTW_SOCKET": "/e", "SOZUTW_CONFIG": "/nowhere"}).path == "/e"


def test_what_is_given_wins_over_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path, FILE)
    other = write(tmp_path, 'command_socket = "/other"\n', "other.toml")
    environment = {"SOZUTW_SOCKET": "/e", "SOZUTW_CONFIG": other}
    assert found(environment, config=path).path == str(tmp_path / "run/s.sock")
    assert found(environment, socket="/s").path == "/s"
    assert found({"SOZUTW_CONFIG": other}).path == "/other"
    assert found({"SOZUTW_SOCKET": "", "SOZUTW_CONFIG": other}).path == "/other"


def test_a_relative_path_is_the_files_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, FILE)
    where = read_where(path)
    assert where.path == str(tmp_path / "run/s.sock")
    assert where.told_by == f"command_socket in {path}"
    assert where.timeout == 0.25
    monkeypatch.chdir(tmp_path)
    assert read_where("c.toml").path == str(tmp_path / "run/s.sock")
    assert found({}, socket="s").path == str(tmp_path / "s")


def test_a_file_that_names_no_socket_means_sozus_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    where = read_where(write(tmp_path, ""))
    assert where.path == str(tmp_path / "sub/sozu.sock")
    assert "default" in where.told_by
    assert where.timeout == 1.0


def test_the_timeout_that_is_asked_for_wins(tmp_path: Path) -> None:
    path = write(tmp_path, FILE + "front_timeout = 7\n")
    where = found({}, config=path, timeout=5000)
    assert (where.timeout, where.is_timeout_asked) == (5.0, True)
    assert where.timeouts.front == 7
    assert found({}, config=path, timeout=0).timeout is None
    assert not found({}, config=path).is_timeout_asked
    assert read_where(write(tmp_path, "ctl_command_timeout = 0\n")).timeout is None


@pytest.mark.parametrize(
    "rest",
    [
        "[[listeners]]\nprotocol = 'nonsense'\n",
        "  [clusters.x]\nthis is no TOML",
        "unknown_key = 1\nworker_count = 'many'\n",
        'x = """\n[not a table\n"""\ncommand_buffer_size = 7\n',
        "x = [\n[1, 2],\n]\n",
    ],
)
def test_what_does_not_matter_is_not_looked_at(tmp_path: Path, rest: str) -> None:
    assert read_where(write(tmp_path, FILE + rest)).path == str(tmp_path / "run/s.sock")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("command_socket = 7\n", "command_socket is 7; a text in quotes is meant"),
        ("command_socket = ''\n", "the path of a file is meant"),
        ("ctl_command_timeout = -1\n", "ctl_command_timeout is -1"),
        ("command_socket =\n", "this is no TOML"),
        ("command_socket = \n[x]\n", "this is no TOML"),
        ("x = " + "[" * 5000, "this is no TOML"),
    ],
)
def test_what_keeps_from_the_socket_ends_with_78(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(NotDoneError) as refused:
        read_where(path)
    assert refused.value.exit_status == 78
    assert refused.value.message.startswith(f"{path}: ")
    assert told in refused.value.message
    assert f"sozutw config check -c {path}" in refused.value.advice[0]


def test_a_file_that_cannot_be_read_ends_with_78(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")
    for path, told in (
        ("/nowhere", "No such file"),
        (str(tmp_path), "Is a directory"),
        (str(tmp_path / "binary"), "byte 0 is not UTF-8"),
    ):
        with pytest.raises(NotDoneError, match=told) as refused:
            read_where(path)
        assert refused.value.exit_status == 78


def test_a_file_of_others_is_told_with_a_way_around(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(*_asked: object, **_named: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", forbidden)
    with pytest.raises(NotDoneError) as refused:
        read_where("/x")
    assert "-s PATH" in refused.value.advice[0]


def test_nothing_at_all_is_a_usage_error() -> None:
    with pytest.raises(NotDoneError) as refused:
        found({})
    assert refused.value.exit_status == 2
    assert "-c FILE" in refused.value.advice[0]
