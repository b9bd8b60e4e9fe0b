"""The responses of the command socket, in one wording."""

from typing import Any

from sozutw.control.proto import command_pb2 as pb


def processing(text: str) -> pb.Response:
    """Say that the answer is still to come."""
    return pb.Response(status=pb.PROCESSING, message=text)


def ok(text: str, **content: Any) -> pb.Response:
    """Say that it is done; ``content`` is a field of ResponseContent, if any."""
    response = pb.Response(status=pb.OK, message=text)
    if content:
        response.content.CopyFrom(pb.ResponseContent(**content))
    return response


def failure(text: str) -> pb.Response:
    """Say that nothing was done, and why."""
    return pb.Response(status=pb.FAILURE, message=text)
