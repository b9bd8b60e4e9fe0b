import pytest

from sozutw.config.log_filter import Level, LogFilter


@pytest.mark.parametrize(
    ("text", "module", "least"),
    [
        ("info", "sozutw.listen", Level.INFO),
        ("INFO", "anything", Level.INFO),
        ("off", "sozutw", Level.OFF),
        ("sozutw.listen=debug", "sozutw.listen", Level.DEBUG),
        ("sozutw.listen=debug", "sozutw.listen.acceptor", Level.DEBUG),
        ("sozutw.listen=debug", "sozutw.listeners", Level.ERROR),
        ("sozutw::listen=debug", "sozutw.listen", Level.DEBUG),
        ("warn, sozutw.listen=debug", "sozutw.backend", Level.WARN),
        ("warn, sozutw.listen = debug", "sozutw.listen", Level.DEBUG),
        ("sozutw.listen=debug,warn", "sozutw.listen", Level.WARN),
        ("sozutw=warn,sozutw=trace", "sozutw", Level.TRACE),
        ("error,,sozutw", "sozutw.listen", Level.TRACE),
    ],
)
def test_the_last_entry_that_matches_holds(text: str, module: str, least: Level) -> None:
    log_filter = LogFilter.parse(text)
    for level in (Level.TRACE, Level.DEBUG, Level.INFO, Level.WARN, Level.ERROR):
        # Asked twice: the second answer comes from what is remembered.
        assert log_filter.admits(module, level) == (level >= least)
        assert log_filter.admits(module, level) == (level >= least)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it names no level; one of off, error, warn, info, debug, trace is meant"),
        (" , ", "it names no level"),
        ("sozutw=loud", "'loud' is not a level; one of"),
        ("sozutw=", "'' is not a level"),
        ("=info", "'' is neither a level"),
        ("so zu", "'so zu' is neither a level"),
        ("a..b=info", "'a..b' is neither a level"),
    ],
)
def test_what_is_no_filter_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        LogFilter.parse(text)
    assert reason in str(caught.value)
