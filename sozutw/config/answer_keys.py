"""Read the templates that stand in for the answers of the proxy itself."""

from collections.abc import Iterable
from typing import Final

from sozutw.config.addresses import path_in
from sozutw.config.table import Table

STATUSES: Final = (
    *(301, 302, 308, 400, 401, 404, 405, 408, 413, 414, 417, 421, 429, 431),
    *(500, 501, 502, 503, 504, 505, 507),
)
"""What a template may be given for; doc/answers.md says which are not given yet."""
_FILE: Final = "file://"


def read_answers(owner: Table, legacy: Iterable[int] = ()) -> dict[str, str]:
    """
    Return the text of each template by its status.

    ``answers`` maps a status to a text or to ``file://`` and a path. For the statuses of
    ``legacy`` there are keys ``answer_404`` too, which give a path and yield to the map.
    """
    answers: dict[str, str] = {}
    for status in legacy:
        key = f"answer_{status}"
        path = owner.file_path(key, None)
        if path is not None:
            _take(owner, key, str(status), _read(owner, key, path), answers)
    table = owner.table("answers", f"the answers of {owner.noun}")
    if table is None:
        return answers
    for status_text in table:
        text: str | None = table.string(status_text, "")
        if status_text not in map(str, STATUSES):
            known = ", ".join(map(str, STATUSES))
            table.warn(
                status_text,
                f"answers has {status_text}, which is no status with a template; "
                f"one of {known} is meant",
            )
            continue
        if text is not None and text.startswith(_FILE):
            path = path_in(table.reading.folder, text.removeprefix(_FILE))
            text = _read(table, status_text, path)
        _take(table, status_text, status_text, text, answers)
    return answers


def _read(table: Table, key: str, path: str) -> str | None:
    try:
        return table.reading.read_file(path)
    except OSError as error:
        reason = error.strerror or str(error)
    except ValueError:
        reason = "it is not UTF-8"
    table.refuse(key, f"{key} cannot be read from {path}: {reason}; a readable template is meant")
    return None


def _take(table: Table, key: str, status: str, text: str | None, answers: dict[str, str]) -> None:
    if text is None:
        return
    reason = table.reading.checks.answer(status, text)
    if reason is None:
        answers[status] = text
    else:
        table.refuse(key, f"the template for {status} cannot be used: {reason}")
