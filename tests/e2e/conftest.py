"""What several files of end-to-end tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.commanded import Asked, Commanded


@pytest.fixture(scope="module")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commanded]:
    """One proxy for all tests of a file that leave it as they found it."""
    folder: Path = tmp_path_factory.mktemp("commanded")
    with Commanded(folder) as proxy:
        yield proxy


@pytest.fixture(params=[False, True], ids=["plain", "json"])
def asked(commanded: Commanded, request: pytest.FixtureRequest) -> Asked:
    """`sozutw -c FILE …` of that proxy, plain and with `--json`."""
    return commanded.asked(is_json=request.param)
