"""Templates, inline and from files."""

from collections.abc import Callable

import pytest

LISTENER = '[[listeners]]\nprotocol = "http"\naddress = "127.0.0.1:8080"\n'


def test_templates_come_from_texts_and_files(files) -> None:
    files.files |= {"/etc/sozutw/404.http": "old 404", "/srv/502.http": "502", "/x": "old 503"}
    config = files.config(
        LISTENER
        + """
answer_404 = "404.http"
answer_503 = "/x"
[listeners.answers]
503 = "new 503"
502 = "file:///srv/502.http"
404 = "file://404.http"
"""
    )
    (listener,) = config.listeners
    assert listener.answers == {"404": "old 404", "502": "502", "503": "new 503"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('answer_404 = "x"', "E4 answer_404 cannot be read from /etc/sozutw/x: No such file or"),
        (
            'answer_404 = "bin"',
            "E4 answer_404 cannot be read from /etc/sozutw/bin: it is not UTF-8",
        ),
        ('answer_404 = "odd"', "E4 answer_404 cannot be read from /etc/sozutw/odd: odd"),
        ('answers = { 503 = "file://x" }', "E4 503 cannot be read from /etc/sozutw/x"),
        ('answers = { 503 = "bad" }', "E4 the template for 503 cannot be used: it is bad"),
        (
            'answers = { 418 = "" }',
            "W4 answers has 418, which is no status with a template; one of",
        ),
        ("answers = { 503 = 503 }", "E4 503 is 503; a text in quotes is meant"),
        ("answers = 503", "E4 answers is 503; a table is meant"),
    ],
)
def test_a_template_that_cannot_be_used_is_told(
    files, in_listener: Callable[..., list[str]], text: str, told: str
) -> None:
    files.files |= {"/etc/sozutw/bin": ValueError(), "/etc/sozutw/odd": OSError("odd")}
    (problem,) = in_listener(text)
    assert problem.startswith(told)
