"""What is not served yet is refused by its name."""

import pytest

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.translate import UnservedRequestError, request_of
from sozutw.control.unserved import VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_not_served_is_refused_by_name(verb: str) -> None:
    message = pb.Request()
    field = pb.Request.DESCRIPTOR.fields_by_name[verb]
    if field.message_type is not None:
        getattr(message, verb).SetInParent()
    else:
        setattr(message, verb, 7 if verb == "upgrade_worker" else "x")
    with pytest.raises(UnservedRequestError) as caught:
        request_of(message)
    name, instead = VERBS[verb]
    assert str(caught.value) == f"{name} is not served yet: {instead}"
    assert name == "".join(part.capitalize() for part in verb.split("_"))
