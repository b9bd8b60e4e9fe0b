"""What several files of end-to-end tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.commanded import Asked, Commanded


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: what it asks has no certain answer with workers")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have all that asks one proxy for a whole file asked without workers and with."""
    if "commanded" in metafunc.fixturenames:
        ways = {"alone": 0, "workers": 2}
        if metafunc.definition.get_closest_marker("alone"):
            del ways["workers"]
        metafunc.parametrize("commanded", ways.values(), indirect=True, ids=ways, scope="module")


@pytest.fixture(scope="module")
def commanded(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Commanded]:
    """One proxy for all tests of a file that leave it as they found it."""
    folder: Path = tmp_path_factory.mktemp("commanded")
    with Commanded(folder, workers=request.param) as proxy:
        yield proxy


@pytest.fixture(params=[False, True], ids=["plain", "json"])
def asked(commanded: Commanded, request: pytest.FixtureRequest) -> Asked:
    """`sozutw -c FILE …` of that proxy, plain and with `--json`."""
    return commanded.asked(is_json=request.param)
