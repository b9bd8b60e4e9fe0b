"""`reload`, `apply` and `diff` send absolute paths, and tell each change."""

from pathlib import Path

import pytest

from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import LOOPBACK, answered, asked, call, content


def applied(**fields: object) -> pb.Request:
    return pb.Request(apply_configuration=pb.ApplyConfiguration(**fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        (["reload"], pb.Request(reload_configuration="")),
        (["reload", "-f", "x.toml"], pb.Request(reload_configuration="{here}/x.toml")),
        (["reload", "--file", "/x.toml"], pb.Request(reload_configuration="/x.toml")),
        (["reload", "--keep"], applied(path="", keep=True)),
        (["reload", "--keep", "-f", "x.toml"], applied(path="{here}/x.toml", keep=True)),
        (["apply", "x.toml"], applied(path="{here}/x.toml", keep=False)),
        (["apply", "--keep", "x.toml"], applied(path="{here}/x.toml", keep=True)),
        (["diff", "x.toml"], applied(path="{here}/x.toml", keep=False, dry_run=True)),
        (["diff", "/x.toml", "--keep"], applied(path="/x.toml", keep=True, dry_run=True)),
    ],
    ids=str,
)
def test_each_sends_its_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], request_: pb.Request
) -> None:
    monkeypatch.chdir(tmp_path)
    request = asked(tmp_path, *words)
    assert request.WhichOneof("request_type") == request_.WhichOneof("request_type")
    expected = pb.Request()
    expected.CopyFrom(request_)
    if request_.HasField("apply_configuration"):
        path = request_.apply_configuration.path
        expected.apply_configuration.path = path.replace("{here}", str(tmp_path))
    else:
        path = request_.reload_configuration
        expected.reload_configuration = path.replace("{here}", str(tmp_path))
    assert request == expected


def test_a_file_is_required() -> None:
    assert call("apply").exit_code == 2
    assert call("diff").exit_code == 2


@pytest.mark.parametrize("command", ["apply", "diff"])
def test_each_change_is_a_line(tmp_path: Path, command: str) -> None:
    added = pb.AddBackend(cluster_id="shop", backend_id="b1", address=LOOPBACK)
    batch = pb.Batch(requests=[pb.Request(add_backend=added), pb.Request(remove_cluster="old")])
    result = answered(tmp_path, content(changes=batch), command, "x.toml")
    assert result.output == "+ backend shop/b1 127.0.0.1:8080\n- cluster old\n2 changes\n"
    nothing = answered(tmp_path, content(changes=pb.Batch()), command, "x.toml")
    assert (nothing.exit_code, nothing.output) == (0, "0 changes\n")
    one = pb.Batch(requests=[pb.Request(remove_cluster="old")])
    assert answered(tmp_path, content(changes=one), command, "x").output.endswith("\n1 change\n")
