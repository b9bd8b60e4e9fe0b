"""Orders as messages that Sōzu takes as whole."""

import pytest
from hypothesis import given

from sozutw.config.requests import RemoveListener
from sozutw.control.orders_out import Order
from sozutw.control.translate import message_of
from tests.fakes.messages import HERE
from tests.fakes.requests import requests


def test_an_order_about_a_listener_tells_its_kind() -> None:
    with pytest.raises(AssertionError, match="kind"):
        message_of(RemoveListener(HERE))


@given(requests())
def test_a_message_has_all_that_sozu_requires(order: Order) -> None:
    message = message_of(order)
    assert message.IsInitialized(), message.FindInitializationErrors()
