"""Read how TLS is spoken: with clients, with backends, and what HSTS tells browsers."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from sozutw.config.certificate_keys import SHOWN, read_authorities, read_certificate
from sozutw.config.hostnames import ascii_name
from sozutw.config.security import BackendTls, ClientAuth, Hsts, TlsOptions
from sozutw.config.table import Table

PRELOAD_SECONDS_LEAST: Final = 31_536_000
"""What the lists that come with browsers ask of a host."""

_VERSIONS: Final = {
    "sslv2": "SSL_V2",
    "sslv3": "SSL_V3",
    "tlsv1": "TLS_V1",
    "tlsv10": "TLS_V1",
    "tlsv11": "TLS_V11",
    "tlsv12": "TLS_V12",
    "tlsv13": "TLS_V13",
}
_OPTION_KEYS: Final = (
    *("tls_versions", "cipher_list", "cipher_suites", "groups_list"),
    *("signature_algorithms", "send_tls13_tickets"),
)
_BACKEND_KEYS: Final = (
    *("backend_ca", "backend_server_name", "backend_certificate", "backend_key"),
    "backend_tls_insecure",
)


def read_tls_options(owner: Table) -> TlsOptions:
    """Read how a listener speaks TLS."""
    defaults = TlsOptions()
    options = TlsOptions(
        tls_versions=read_tls_versions(owner) or defaults.tls_versions,
        cipher_list=owner.texts("cipher_list"),
        cipher_suites=owner.texts("cipher_suites"),
        groups_list=owner.texts("groups_list"),
        signature_algorithms=owner.texts("signature_algorithms"),
        send_tls13_tickets=owner.integer("send_tls13_tickets", defaults.send_tls13_tickets),
    )
    errors, warnings = owner.reading.checks.tls_options(options)
    for text in errors:
        owner.report.refuse(_place_of(owner, text), text)
    for text in warnings:
        owner.report.warn(_place_of(owner, text), text)
    return options


def read_tls_versions(owner: Table) -> tuple[str, ...]:
    """Read the versions of TLS, however they are spelled."""
    versions = []
    for text in owner.texts("tls_versions"):
        version = _VERSIONS.get(text.lower().replace("_", "").replace(".", ""))
        if version is None:
            owner.refuse("tls_versions", f'tls_versions has "{text}"; TLS_V12 or TLS_V13 is meant')
        else:
            versions.append(version)
    return tuple(versions)


def read_client_auth(owner: Table) -> tuple[ClientAuth, str | None]:
    """Read whether clients show a certificate, and the authorities that may have signed it."""
    auth = owner.choice("client_auth", ClientAuth.NONE)
    authorities = read_authorities(owner, "client_ca")
    if auth is ClientAuth.NONE and "client_ca" in owner:
        owner.refuse(
            "client_ca", 'client_ca asks no client for anything; client_auth = "require" is meant'
        )
    if auth is not ClientAuth.NONE and "client_ca" not in owner:
        owner.refuse(
            "client_auth", f"client_auth is {auth.value} without client_ca; both are meant"
        )
    return auth, authorities


def read_backend_tls(owner: Table) -> BackendTls | None:
    """Read how TLS is spoken to the backends of a cluster; None speaks plainly."""
    is_wanted = owner.flag("backend_tls", default=False)
    read = read_certificate(owner, SHOWN)
    tls = BackendTls(
        authorities=read_authorities(owner, "backend_ca"),
        server_name=owner.parsed("backend_server_name", parse_server_name, None),
        certificate=None if read is None else read.held,
        is_insecure=owner.flag("backend_tls_insecure", default=False),
    )
    if not is_wanted:
        for key in _BACKEND_KEYS:
            if key in owner:
                owner.refuse(key, f"{key} has no effect; backend_tls = true is meant beside it")
        return None
    if tls.is_insecure:
        owner.warn(
            "backend_tls_insecure",
            f"backend_tls_insecure lets {owner.noun} take any certificate of a backend, so whoever "
            "is on the way can read and change everything; backend_ca is meant",
        )
        if "backend_ca" in owner:
            owner.warn("backend_ca", "backend_ca has no effect beside backend_tls_insecure")
    return tls


def parse_server_name(text: str) -> str:
    """Return the name or the address that a certificate must be for."""
    try:
        return str(ip_address(text))
    except ValueError:
        return ascii_name(text)


def read_hsts(owner: Table) -> Hsts | None:
    """Read the table ``hsts``; None if there is none."""
    table = owner.table("hsts", "hsts")
    if table is None:
        return None
    if "enabled" not in table:
        table.report.refuse(table.path, "hsts does not say enabled; true or false is meant")
    defaults = Hsts(enabled=True)
    hsts = Hsts(
        enabled=table.flag("enabled", default=True),
        max_age=table.integer("max_age", defaults.max_age),
        include_subdomains=table.flag("include_subdomains", defaults.include_subdomains),
        preload=table.flag("preload", defaults.preload),
        force_replace_backend=table.flag("force_replace_backend", defaults.force_replace_backend),
    )
    unknown = {key for key, _text in table.unknown()}
    table.refuse_unknown()
    if not hsts.enabled:
        for key in table:
            if key != "enabled" and key not in unknown:
                table.warn(key, f"{key} has no effect beside enabled = false")
    elif hsts.preload:
        for key, text in preload_wants(hsts):
            table.warn(key, text)
    return hsts


def preload_wants(hsts: Hsts) -> Iterator[tuple[str, str]]:
    """Yield each key that keeps a host from the lists that come with browsers, and why."""
    if not hsts.include_subdomains:
        yield "preload", "preload is of no use without include_subdomains = true"
    if hsts.max_age < PRELOAD_SECONDS_LEAST:
        yield (
            "max_age",
            f"max_age is {hsts.max_age}, and preload asks for at least {PRELOAD_SECONDS_LEAST}",
        )


def _place_of(owner: Table, text: str) -> tuple[str | int, ...]:
    """Return the path of the first key that is both told of and written, or of the table."""
    told = (key for key in _OPTION_KEYS if key in text and key in owner)
    key = next(told, None)
    return owner.path if key is None else owner.at(key)
