"""
The table of verbs in doc/command-channel.md, made of command.proto and of the code.

``scripts/command-channel`` writes it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sozutw.control.audit import VERBS as AUDITED
from sozutw.control.messages.fields import OURS_FROM, is_required
from sozutw.control.messages.unserved import VERBS as UNSERVED
from sozutw.control.proto import command_pb2 as pb

PAGE = Path(__file__).resolve().parent.parent / "doc" / "command-channel.md"
BEGIN, END = "<!-- {}: begin; made by scripts/command-channel -->", "<!-- {}: end -->"


class Verb(NamedTuple):
    """What the code does not say of itself."""

    does: str
    refused: str = ""
    """When, beside what holds for all."""
    content: str = ""
    """The member of the answer's content."""


_LISTENER = "no listener there, or one of another kind"
_FRONTEND = f"{_LISTENER}; the same rule leads elsewhere already"
_TLS = "no listener of TLS there; no certificate in the text; a key that is not its own; expired"

SERVED = {
    "save_state": Verb("write all that is configured to a file", "it cannot be written"),
    "load_state": Verb(
        "apply what a state file holds",
        "no such file; readable by others; torn or foreign. What is refused of it is passed over",
    ),
    "list_workers": Verb("tell the workers", content="workers"),
    "list_frontends": Verb(
        "tell the frontends, all or of some kinds, or with a part of a name",
        content="frontend_list",
    ),
    "list_listeners": Verb("tell the listeners, without their keys", content="listeners_list"),
    "subscribe_events": Verb(
        "tell each event from now on; never answered", "32 subscribe already", "event"
    ),
    "reload_configuration": Verb(
        "make a file true; an empty path is the file of the start", "the file is wrong"
    ),
    "upgrade_main": Verb(
        "have a new process take over ([upgrade.md](upgrade.md))",
        "the new process does not start, refuses, ends or is silent: the text says which",
    ),
    "upgrade_worker": Verb(
        "put another process in the place of a worker ([upgrade.md](upgrade.md#one-worker))",
        "no such worker runs; the new one does not come so far: the old one serves on; everything"
        " runs in one process",
    ),
    "status": Verb("tell how each worker is", content="workers"),
    "add_cluster": Verb("add or replace a cluster", "what it asks for is not served"),
    "remove_cluster": Verb("remove a cluster", "no such cluster"),
    "add_http_frontend": Verb("add a rule to a listener; without a cluster: deny", _FRONTEND),
    "remove_http_frontend": Verb("remove a rule, named by all that makes it one", "no such rule"),
    "add_https_frontend": Verb("add a rule to a listener of TLS", _FRONTEND),
    "remove_https_frontend": Verb("remove a rule from a listener of TLS", "no such rule"),
    "add_certificate": Verb("serve a certificate; PEM texts, not paths", _TLS),
    "replace_certificate": Verb("serve one in the place of another, in one step", _TLS),
    "remove_certificate": Verb("serve a certificate no more", "no such fingerprint there"),
    "add_backend": Verb(
        "add or replace a backend; weight 0 is none given", "no usable address; a weight above 255"
    ),
    "remove_backend": Verb("remove a backend; it finishes what it has", "no such backend"),
    "add_http_listener": Verb("add a listener, which accepts nobody yet", "one is there already"),
    "add_https_listener": Verb("add a listener of TLS", "one is there already; its TLS is none"),
    "remove_listener": Verb("remove a listener and close its socket", _LISTENER),
    "activate_listener": Verb("begin to accept", f"{_LISTENER}; the address is in use"),
    "deactivate_listener": Verb("accept no more; its rules stay", _LISTENER),
    "query_cluster_by_id": Verb(
        "tell a cluster with all that is of it; of none, empty lists", content="worker_responses"
    ),
    "query_clusters_by_domain": Verb(
        "tell the clusters that requests for a name would go to", content="worker_responses"
    ),
    "query_clusters_hashes": Verb(
        "tell a number for each cluster, the same where it is the same", content="worker_responses"
    ),
    "query_metrics": Verb("tell the counters; with `list`, only their names", content="metrics"),
    "soft_stop": Verb("end, when what is under way has ended; answered then"),
    "hard_stop": Verb("end now"),
    "configure_metrics": Verb("0: on, 1: off, 2: begin to count anew"),
    "Logging": Verb("log by this filter from now on", "no filter"),
    "query_certificates_from_the_state": Verb(
        "tell the certificates with their keys left out", content="certificates_with_fingerprints"
    ),
    "query_certificates_from_workers": Verb(
        "tell which certificates are served where", content="worker_responses"
    ),
    "count_requests": Verb("tell how often what was asked", content="request_counts"),
    "update_http_listener": Verb(
        "change what is given, and leave the rest", f"{_LISTENER}; what it asks for is not served"
    ),
    "update_https_listener": Verb(
        "the same of a listener of TLS", f"{_LISTENER}; what it asks for is not served"
    ),
    "set_max_connections_per_ip": Verb("limit each address and cluster; 0: no limit"),
    "query_max_connections_per_ip": Verb("tell that limit", content="max_connections_per_ip_limit"),
    "set_health_check": Verb("probe the backends of a cluster", "no such cluster"),
    "remove_health_check": Verb("probe no more", "the cluster has no probes"),
    "query_health_checks": Verb(
        "tell the probes of one cluster or all", content="health_checks_list"
    ),
    "set_metric_detail": Verb(
        "count in more or less detail, for a while",
        "an id above 64 bytes; a lease above 300 s; 64 leases are held; somebody else's",
        "metric_detail_status",
    ),
    "explain": Verb("tell what would become of a request, and why", "no URL", "explanation"),
    "list_sessions": Verb("tell the clients that are connected", content="sessions"),
    "kill_session": Verb(
        "cut a client off, by the number that `list_sessions` tells", "no such session"
    ),
    "apply_configuration": Verb(
        "make a file true and tell what that changed; `dry_run`: what it would",
        "the file is wrong",
        "changes",
    ),
    "save_state_as": Verb("`save_state`, with or without the private keys", "as there"),
    "batch": Verb("do all of these, or none", "one of them is; its number is told"),
    "replace_default_certificate": Verb(
        "what a listener shows where no other certificate has the name", _TLS
    ),
}
"""By the field of the request."""


def table(*, is_ours: bool) -> str:
    """Return the table of Sōzu's verbs, or of ours."""
    return "\n".join(_rows(is_ours))


def _rows(is_ours: bool) -> Iterator[str]:
    titles = ("#", "verb", "takes", "does", "content of the OK", "refused", "audit")
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    for field in pb.Request.DESCRIPTOR.fields:
        if (field.number >= OURS_FROM) is not is_ours:
            continue
        name = field.name
        audit = f"`{AUDITED[name]}`" if name in AUDITED else ""
        if name in UNSERVED:
            verb, why = UNSERVED[name]
            row = [f"not served yet: {why}", "", f"always: `{verb} is not served yet`"]
        else:
            entry = SERVED[name]
            content = f"`{entry.content}`" if entry.content else ""
            row = [entry.does, content, entry.refused]
        cells = [str(field.number), f"`{name}`", _takes(field), *row, audit]
        yield f"| {' | '.join(cells)} |"


def _takes(field: Any) -> str:
    """Return the type of a verb's value, and what it must have."""
    if field.message_type is None:
        kind = field.enum_type.name if field.enum_type is not None else _scalar(field)
        return f"`{kind}`"
    needed = [one.name for one in field.message_type.fields if is_required(one)]
    text = f"`{field.message_type.name}`"
    return f"{text}: {', '.join(f'`{one}`' for one in needed)}" if needed else text


def _scalar(field: Any) -> str:
    return {9: "string", 4: "uint64", 13: "uint32"}[field.type]


def page(text: str) -> str:
    """Return the page with its made parts made anew."""
    parts = {"Sōzu's verbs": table(is_ours=False), "our verbs": table(is_ours=True)}
    for name, made in parts.items():
        before, begin, rest = text.partition(BEGIN.format(name))
        _, end, after = rest.partition(END.format(name))
        assert begin, name
        assert end, name
        text = f"{before}{begin}\n{made}\n{end}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
