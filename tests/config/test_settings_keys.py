"""The keys above all tables."""

from dataclasses import replace

import pytest

from sozutw.config.model import AccessLogFormat, MetricDetail, Settings, Timeouts
from sozutw.config.settings_keys import WITHOUT_EFFECT

EVERY_KEY = """
command_socket = "run/sock"
command_buffer_size = 16384
max_command_buffer_size = 163840
command_allowed_uids = [0, 1000]
ctl_command_timeout = 2000
saved_state = "./state.json"
automatic_state_save = true
log_level = "info,sozutw=debug"
log_target = "file://log/sozutw.log"
log_colored = true
access_logs_target = "unix:///run/log.sock"
access_logs_format = "json"
access_logs_colored = true
audit_logs_target = "audit.log"
audit_logs_json_target = "audit.json"
worker_count = 4
worker_automatic_restart = false
worker_timeout = 0
worker_hang_timeout = 0
worker_survive_main = true
handle_process_affinity = true
pid_file_path = "run/pid"
user = "www-data"
group = 33
activate_listeners = false
max_connections = 500
min_buffers = 2
max_buffers = 500
buffer_size = 16384
slab_entries_per_connection = 8
max_connections_per_ip = 10
retry_after = 0
evict_on_queue_full = true
accept_queue_timeout = 30
zombie_check_interval = 900
front_timeout = 1
back_timeout = 2
connect_timeout = 3
request_timeout = 4
basic_auth_max_credential_bytes = 100
splice_pipe_capacity_bytes = 4096
disable_cluster_metrics = true
graceful_shutdown_timeout = 0
trusted_proxies = ["10.0.0.0/8"]
tunnel_timeout = 5.5
replay = false
dials_max = 1
backend_idle_timeout = 9
backend_idle_connections_max = 0
[metrics]
address = "127.0.0.1:8125"
tagged_metrics = true
prefix = "mine"
detail = "backend"
[admin]
address = "127.0.0.1:9090"
"""


def test_every_key_enters_the_settings(files) -> None:
    settings = files.config(EVERY_KEY, skip=True).settings
    # The one that no key sets to anything: whether command_socket was written.
    default = replace(Settings(), command_socket_is_default=True)
    for field in Settings.__slots__:
        assert getattr(settings, field) != getattr(default, field), field
    assert settings.command_socket == "/etc/sozutw/run/sock"
    assert settings.log_target == "file:///etc/sozutw/log/sozutw.log"
    assert settings.access_logs_target == "unix:///run/log.sock"
    assert settings.access_logs_format is AccessLogFormat.JSON
    assert settings.command_allowed_uids == (0, 1000)
    assert settings.saved_state == "/etc/sozutw/state.json"
    assert settings.audit_logs_target == "/etc/sozutw/audit.log"
    assert settings.audit_logs_json_target == "/etc/sozutw/audit.json"
    assert settings.timeouts == Timeouts(1, 2, 3, 4, 5.5)
    assert str(settings.trusted_proxies[0]) == "10.0.0.0/8"
    assert str(settings.metrics.address) == "127.0.0.1:8125"
    assert settings.metrics.detail is MetricDetail.BACKEND
    assert str(settings.admin_address) == "127.0.0.1:9090"


def test_every_key_without_effect_is_warned_of_by_name_and_once(files) -> None:
    problems = files.told(EVERY_KEY, skip=True)
    assert all(problem.startswith("W") for problem in problems)
    named = [problem.split()[1] for problem in problems]
    assert sorted(named) == sorted(
        [
            *WITHOUT_EFFECT,
            "metrics.address",
        ]
    )


@pytest.mark.parametrize(
    ("text", "is_colored"),
    [
        ("", False),
        ("log_colored = true", True),
        ("log_colored = true\naccess_logs_colored = false", False),
    ],
)
def test_the_access_log_is_coloured_as_the_log_is(files, text: str, is_colored: bool) -> None:
    assert files.config(text).settings.access_logs_colored is is_colored


def test_an_empty_file_is_all_defaults(files) -> None:
    loaded = files.load("")
    assert loaded.problems == ()
    # The one path that is seen from the current folder: so it is with Sōzu.
    expected = replace(
        Settings(),
        command_socket="sozu.sock",
        command_socket_is_default=True,
        worker_count=2,
    )
    assert loaded.config.settings == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "automatic_state_save = true",
            "W1 automatic_state_save has no effect; a saved_state is meant beside it",
        ),
        ("max_command_buffer_size = 4095", "E1 max_command_buffer_size is 4095; a whole number"),
        ('audit_logs_target = ""', 'E1 audit_logs_target is ""; the path of a file is meant'),
        ("user = true", "E1 user is true; a name, or a number from 0 to 4294967294 is meant"),
        ("user = 4294967295", "E1 user is 4294967295; a name, or a number from 0 to"),
        ("user = -1", "E1 user is -1; a name, or a number"),
        ('group = ""', 'E1 group is ""; a name, or a number'),
        ('group = "a\\nb"', "E1 group is"),
        ('access_logs_format = "protobuf"', "U1 access_logs_format is not served"),
        ('metrics = { address = "127.0.0.1:8125" }', "U1 metrics.address is not served"),
        ('metrics = { prefix = "x" }', "W1 metrics.prefix has no effect; no counters are sent"),
        ('metrics = { prefx = "x" }', "E1 unknown key prefx; did you mean prefix?"),
        ('admin = { adress = "127.0.0.1:1" }', "E1 unknown key adress; did you mean address?"),
        (
            'admin = { address = "localhost:1" }',
            "E1 address is \"localhost:1\"; 'localhost' is no IP",
        ),
        ('admin = "127.0.0.1:1"', 'E1 admin is "127.0.0.1:1"; a table is meant'),
        ('admin = { address = "0.0.0.0:1" }', "W1 admin.address is 0.0.0.0:1, which others can"),
        ('log_target = "/var/log/x"', "W1 log_target: '/var/log/x' is not a target;"),
        ('access_logs_target = "/var/log/x"', "E1 access_logs_target: '/var/log/x' is not"),
        ('log_level = "a=loud"', "E1 log_level is \"a=loud\"; 'loud' is not a level; one of"),
        ("buffer_size = 100", "E1 buffer_size is 100; a whole number from 1024"),
        ("worker_count = 65536", "E1 worker_count is 65536; a whole number from 0 to 65535"),
        ("max_connections = 0", "E1 max_connections is 0; a whole number from 1"),
        ("trusted_proxies = 1", "E1 trusted_proxies is 1; a list is meant"),
    ],
)
def test_what_is_wrong_or_not_served_is_told(files, text: str, told: str) -> None:
    assert files.told(text)[0].startswith(told)


@pytest.mark.parametrize(
    "text",
    [
        "automatic_state_save = false",
        "handle_process_affinity = true",
        "user = 0\ngroup = 4294967294",
        "worker_count = 0",
        "log_colored = false",
        "disable_cluster_metrics = true",
        'metrics = { detail = "backend" }',
        'saved_state = "s"\nautomatic_state_save = true',
        'audit_logs_target = "x"\naudit_logs_json_target = "x.json"',
        'command_socket = "/run/s"\ncommand_allowed_uids = []\nctl_command_timeout = 0',
        'access_logs_target = "udp://127.0.0.1:9876"',
        'admin = { address = "127.8.8.8:1" }',
        'admin = { address = "[::1]:1" }',
        "admin = {}",
    ],
)
def test_what_changes_nothing_anyway_is_not_warned_of(files, text: str) -> None:
    assert files.told(text) == []


def test_a_log_target_that_cannot_be_understood_is_stdout(files) -> None:
    assert files.config('log_target = "/var/log/x"').settings.log_target == "stdout"


def test_an_unknown_key_of_metrics_is_told_once(files) -> None:
    loaded = files.load('metrics = { prefx = "x" }')
    assert [problem.text for problem in loaded.problems] == [
        "unknown key prefx; did you mean prefix?"
    ]
