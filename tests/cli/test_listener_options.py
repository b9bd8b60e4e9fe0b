"""The options of listeners are the fields of Sōzu's patches, none forgotten."""

import pytest

from sozutw.cli.listener_options import (
    ANSWERS,
    H2_KNOBS,
    answers_of,
    http_update_options,
    https_update_options,
)
from sozutw.control.proto import command_pb2 as pb

NOT_OF_THE_COMMAND = {"address", "answers", "http_answers", "hsts", "extras"}
"""Told by options of other names; what a patch of ours holds besides has no option."""
NOT_OF_SOZUS_COMMAND = {"elide_x_real_ip", "send_x_real_ip"}


def names(options: list[object]) -> set[str]:
    return {str(option.name) for option in options}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("message", "options"),
    [
        (pb.UpdateHttpListenerConfig, http_update_options()),
        (pb.UpdateHttpsListenerConfig, https_update_options()),
    ],
)
def test_each_field_of_a_patch_has_its_option(message: type, options: list[object]) -> None:
    fields = {field.name for field in message.DESCRIPTOR.fields if field.number < 1000}  # type: ignore[attr-defined]
    assert fields - names(options) == (NOT_OF_THE_COMMAND | NOT_OF_SOZUS_COMMAND) & fields


def test_every_limit_of_h2_is_known() -> None:
    fields = {field.name for field in pb.UpdateHttpListenerConfig.DESCRIPTOR.fields}
    assert set(H2_KNOBS) == {name for name in fields if name.startswith("h2_")}


def test_400_is_among_the_answers() -> None:
    assert set(ANSWERS) >= {"301", "400", "401", "404", "429", "503", "507"}


def test_answers_are_taken_out() -> None:
    options: dict[str, object] = {"answer_404": "x", "answer_503": None, "other": 1}
    assert answers_of(options) == pb.CustomHttpAnswers(answer_404="x")
    assert options == {"other": 1}
    assert answers_of({"answer_404": None}) is None
