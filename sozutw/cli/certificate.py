"""`sozutw certificate`: what listeners of HTTPS show to clients."""

from collections.abc import Iterator, Sequence

import click

from sozutw.cli import spelling, values
from sozutw.cli.asking import carry_out, screen_width
from sozutw.cli.commands import Group, examples
from sozutw.cli.tables import columns, table
from sozutw.config.pem import fingerprint_of
from sozutw.control.proto import command_pb2 as pb


@click.group(cls=Group)
def certificate() -> None:
    """List, add, replace or remove the certificates of HTTPS listeners."""


def _address() -> click.Option:
    return click.Option(
        ["-a", "--address"],
        type=values.LISTEN_ADDRESS,
        required=True,
        help="The address of the listener.",
    )


def _versions() -> click.Option:
    return click.Option(
        ["--tls-versions"],
        type=values.TLS_VERSIONS,
        multiple=True,
        help="Kept with it for Sōzu: TLS_V12, TLS_V13. It is shown with all that the listener "
        "speaks.",
    )


def _files(prefix: str) -> list[click.Parameter]:
    """Return the files that a certificate consists of."""
    return [
        click.Option(
            [f"--{prefix}certificate", "certificate_text"],
            type=values.CERTIFICATE,
            required=True,
            help="The certificate, in PEM.",
        ),
        click.Option(
            [f"--{prefix}certificate-chain", "chain"],
            type=values.TEXT,
            help="Those that lead from it to a root, in PEM; if not given, what stands below the "
            "certificate in its own file.",
        ),
        click.Option(
            [f"--{prefix}key", "key"],
            type=values.TEXT,
            required=True,
            help="Its private key, in PEM.",
        ),
        _versions(),
    ]


def held(
    certificate_text: str,
    chain: str | None,
    key: str,
    tls_versions: tuple[list[pb.TlsVersion], ...],
) -> pb.CertificateAndKey:
    """Return a certificate with its key as it goes to the proxy: texts, no paths."""
    others = values.certificate_chain(chain or "")
    if chain is None:
        # As in many a fullchain.pem.
        first, *others = values.certificate_chain(certificate_text)
        certificate_text = f"{first}\n" if others else certificate_text
    return pb.CertificateAndKey(
        certificate=certificate_text,
        certificate_chain=others,
        key=key,
        versions=values.joined(tls_versions),
    )


@certificate.command(
    "list",
    epilog=examples(
        "sozutw certificate list -c sozutw.toml",
        "sozutw certificate list -w -d shop.example -c sozutw.toml",
    ),
)
@click.option("-f", "--fingerprint", type=values.FINGERPRINT, help="Only this one.")
@click.option("-d", "--domain", metavar="NAME", help="Only what is shown for this name.")
@click.option("-w", "--workers", is_flag=True, help="Ask the workers, not the main process.")
def list_(fingerprint: str | None, domain: str | None, workers: bool) -> None:
    """
    Tell the fingerprint of each certificate, and the names that it is shown for.

    With -j the answer has all that the proxy tells, certificates included.
    """
    filters = pb.QueryCertificatesFilters(domain=domain, fingerprint=fingerprint)
    if workers:
        carry_out(pb.Request(query_certificates_from_workers=filters), show_by_worker)
    else:
        carry_out(pb.Request(query_certificates_from_the_state=filters), show_held)


def show_held(content: pb.ResponseContent) -> Iterator[str]:
    """Tell of the certificates of the main process."""
    rows = [
        (fingerprint, ", ".join(names_of(one)), ", ".join(map(pb.TlsVersion.Name, one.versions)))
        for fingerprint, one in sorted(content.certificates_with_fingerprints.certs.items())
    ]
    yield from _table(("fingerprint", "~names", "~versions"), rows)


def names_of(one: pb.CertificateAndKey) -> Sequence[str]:
    """Return the names that were given with a certificate, or else those that it tells."""
    if one.names:
        return one.names
    # A library of TLS is loaded only where there is something to read with it.
    from sozutw.transport.tls import certificates  # noqa: PLC0415

    try:
        return certificates.names_of(certificates.authorities(one.certificate)[0])
    except ValueError:
        return ()


def show_by_worker(content: pb.ResponseContent) -> Iterator[str]:
    """Tell of the certificates of each worker."""
    rows = []
    for worker, answer in sorted(content.worker_responses.map.items()):
        for at in answer.certificates_by_address.certificates:
            names: dict[str, list[str]] = {}
            for summary in at.certificate_summaries:
                names.setdefault(summary.fingerprint, []).append(summary.domain)
            rows += [
                (worker, spelling.address(at.address), fingerprint, ", ".join(domains))
                for fingerprint, domains in names.items()
            ]
    yield from _table(("worker", "listener", "fingerprint", "~names"), rows)


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return ["There is no such certificate."]
    return table(columns(*titles), rows, screen_width())


def named(one: pb.CertificateAndKey) -> str:
    """Return the fingerprint of a certificate, for a message."""
    try:
        return fingerprint_of(one.certificate)
    except ValueError:
        return "an unreadable certificate"


@certificate.command(
    params=[_address(), *_files("")],
    epilog=examples(
        "sozutw certificate add -a 127.0.0.1:8443 --certificate shop.crt "
        "--certificate-chain chain.pem --key shop.key -c sozutw.toml"
    ),
)
def add(
    address: pb.SocketAddress,
    certificate_text: str,
    chain: str | None,
    key: str,
    tls_versions: tuple[list[pb.TlsVersion], ...],
) -> None:
    """
    Add a certificate to a listener.

    The files are read by this command, and their texts go to the proxy. The next handshake has it.
    """
    one = held(certificate_text, chain, key, tls_versions)
    carry_out(pb.Request(add_certificate=pb.AddCertificate(address=address, certificate=one)))


def chosen_fingerprint(of_file: str | None, fingerprint: str | None, flags: str) -> str:
    """Return the one fingerprint that was given, or that of the certificate that was."""
    if (of_file is None) == (fingerprint is None):
        raise click.UsageError(f"One of {flags} is meant: which certificate.")
    return fingerprint if fingerprint is not None else fingerprint_of(of_file or "")


@certificate.command(
    params=[_address()],
    epilog=examples(
        "sozutw certificate remove -a 127.0.0.1:8443 --certificate shop.crt -c sozutw.toml",
        "sozutw certificate remove -a 127.0.0.1:8443 -f 8e4ab1e6… -c sozutw.toml",
    ),
)
@click.option("--certificate", "of_file", type=values.CERTIFICATE, help="The certificate, in PEM.")
@click.option("-f", "--fingerprint", type=values.FINGERPRINT, help="Or its fingerprint.")
def remove(address: pb.SocketAddress, of_file: str | None, fingerprint: str | None) -> None:
    """Remove a certificate from a listener; who is connected stays."""
    chosen = chosen_fingerprint(of_file, fingerprint, "--certificate FILE and -f HEX")
    carry_out(
        pb.Request(remove_certificate=pb.RemoveCertificate(address=address, fingerprint=chosen))
    )


@certificate.command(
    params=[_address(), *_files("new-")],
    epilog=examples(
        "sozutw certificate replace -a 127.0.0.1:8443 --new-certificate new.crt "
        "--new-certificate-chain chain.pem --new-key new.key --old-certificate old.crt "
        "-c sozutw.toml"
    ),
)
@click.option("--old-certificate", "of_file", type=values.CERTIFICATE, help="The old one, in PEM.")
@click.option("-f", "--fingerprint", type=values.FINGERPRINT, help="Or its fingerprint.")
def replace(
    address: pb.SocketAddress,
    certificate_text: str,
    chain: str | None,
    key: str,
    tls_versions: tuple[list[pb.TlsVersion], ...],
    of_file: str | None,
    fingerprint: str | None,
) -> None:
    """Put a certificate in the place of another, in one step."""
    chosen = chosen_fingerprint(of_file, fingerprint, "--old-certificate FILE and -f HEX")
    replaced = pb.ReplaceCertificate(
        address=address,
        new_certificate=held(certificate_text, chain, key, tls_versions),
        old_fingerprint=chosen,
    )
    carry_out(pb.Request(replace_certificate=replaced))
