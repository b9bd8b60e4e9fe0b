"""Steps are played, and what came of them is compared."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from binary import Binary
from place import SOZUTW, GaveUpError, Place, Proxy, wait_until
from step import Step

COMMAND_SECONDS_MAX = 30.0

_STARTUP = re.compile(r"^(Logs|Access logs) will be sent to .*\n", re.MULTILINE)
"""What Sōzu's client says of its own log, before anything else."""
_CURSOR = "\x1b[s"


class Result(NamedTuple):
    """What came of a step."""

    step: Step
    is_json: bool
    wrong: tuple[str, ...]
    """What was not as expected; empty: it is right."""

    @property
    def command(self) -> str:
        """The command as it is written, with its placeholders."""
        words = self.step.words.replace("\r\n", "\\r\\n")
        return f"{words}{' --json' if self.is_json else ''}"


class Done(NamedTuple):
    """A command that ended."""

    status: int
    out: str
    err: str


def play(binary: Binary, place: Place, steps: Sequence[Step], *, is_json: bool) -> Iterator[Result]:
    """Play steps against a sozutw of their own."""
    configuration = place.write_configurations()
    client = Client(binary, place, configuration, is_json=is_json)
    with Proxy(place, SOZUTW, configuration) as proxy:
        for step in steps:
            if not step.since <= binary.version < step.before:
                continue
            if proxy.status is not None:
                raise GaveUpError(f"sozutw has ended before {step.words!r}:\n{proxy.said()}")
            done = client.watch(step) if step.while_it_runs else client.run(step.words)
            wrong = list(client.differences(step, done))
            if step.hands_over and done.status == 0:
                proxy.follow()
            if step.ends is not None and (status := proxy.wait()) != step.ends:
                wrong.append(f"sozutw ended with {status}:\n{proxy.said()}")
            wrong += filter(None, (look.differs(place) for look in step.looks))
            yield Result(step, is_json, tuple(wrong))


class Client:
    """Sōzu's program, asked for one thing after the other."""

    def __init__(self, binary: Binary, place: Place, path: Path, *, is_json: bool = False) -> None:
        self._binary = binary
        self._place = place
        self._configuration = path
        self._is_json = is_json

    def _command(self, words: str) -> list[str]:
        command = [str(self._binary.path), "-c", str(self._configuration)]
        command += shlex.split(self._filled(words))
        return [*command, "--json"] if self._is_json else command

    def _filled(self, text: str) -> str:
        for name, value in self._place.words.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def run(self, words: str) -> Done:
        """Run a command to its end."""
        try:
            done = subprocess.run(
                self._command(words),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=COMMAND_SECONDS_MAX,
                cwd=self._place.folder,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            said = (error.stdout or b"") + (error.stderr or b"")
            return Done(-1, said.decode(errors="replace"), "it did not end, and was killed")
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        return Done(done.returncode, _STARTUP.sub("", out), err)

    def watch(self, step: Step) -> Done:
        """Run a command that does not end, ask for the rest meanwhile, and end it."""
        path = self._place.folder / "watched.txt"
        expected = [self._filled(text) for text in self._expected(step)]
        with (
            path.open("wb") as file,
            subprocess.Popen(
                self._command(step.words), stdin=subprocess.DEVNULL, stdout=file, stderr=file
            ) as watched,
        ):

            def said() -> str:
                return path.read_text(encoding="utf-8", errors="replace")

            try:
                wait_until(lambda: bool(said()) or not expected, f"a word of {step.words!r}")
                for words in step.while_it_runs:
                    self.run(words)
                wait_until(
                    lambda: all(text in said() for text in expected),
                    f"{expected} of {step.words!r}",
                )
            except GaveUpError as error:
                return Done(-1, said(), str(error))
            finally:
                status = watched.poll()
                if status is None:
                    watched.terminate()
            # What has not ended by itself is as it should be.
        return Done(step.status if status is None else status, _STARTUP.sub("", said()), "")

    def _expected(self, step: Step) -> tuple[str, ...]:
        return step.json if self._is_json and not step.status else step.says

    def differences(self, step: Step, done: Done) -> Iterator[str]:
        """Tell where what came is not what was expected."""
        whole = f"{done.out}{done.err}".strip()
        if done.status != step.status:
            yield f"exit status {done.status}, not {step.status}; printed:\n{whole}"
            return
        printed = done.err if step.status else done.out
        for text in map(self._filled, self._expected(step)):
            if text not in printed:
                yield f"{text!r} is not in what was printed:\n{whole}"
        if self._is_json and step.is_json and not step.status and not step.while_it_runs:
            try:
                told = json.loads(done.out.removeprefix(_CURSOR))
            except ValueError:
                yield f"this is not JSON:\n{whole}"
            else:
                if not step.json and told != {}:
                    yield f"this is not {{}}:\n{whole}"
