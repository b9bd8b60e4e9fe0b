"""The examples of doc/command-channel.md print what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, ROOT, Process, ReservedPort

PAGE = (ROOT / "doc" / "command-channel.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)


def test_no_example_is_without_what_it_prints() -> None:
    assert len(EXAMPLES) == PAGE.count("```python")
    assert EXAMPLES


@pytest.mark.timeout(120)
def test_the_examples_print_what_is_written_behind_them(tmp_path: Path) -> None:
    with ReservedPort() as port:
        address = f"127.0.0.1:{port.port}"
        path = tmp_path / "sozutw.toml"
        listener = f'[[listeners]]\nprotocol = "http"\naddress = "{address}"\n'
        path.write_text(f'command_socket = "s"\n{listener}')
        with Process([BIN / "sozutw", "start", "-c", path], tmp_path) as proxy:
            proxy.wait_for_text("2 workers serve")
            for code, printed in EXAMPLES:
                moved = code.replace("/run/sozutw.sock", str(tmp_path / "s"))
                done = subprocess.run(
                    [sys.executable, "-W", "error", "-c", moved.replace("127.0.0.1:8080", address)],
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                said = done.stdout.replace(address, "127.0.0.1:8080")
                assert (said, done.stderr) == (printed, ""), code
