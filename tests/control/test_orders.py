"""Tests of ``sozutw.control.orders``."""

from pathlib import Path
from typing import Any

import pytest

from sozutw.control.orders import address_message, behind, written
from sozutw.control.proto import command_pb2 as pb

ADDRESS = pb.SocketAddress(ip=pb.IpAddress(v4=0x7F000001), port=8080)
HERE = "127.0.0.1:8080"


def told(request: pb.Request) -> tuple[str, Any]:
    """Return the verb and what it is about; both can go over the wire."""
    assert pb.Request.FromString(request.SerializeToString()) == request
    verb = request.WhichOneof("request_type")
    assert verb is not None
    return verb, getattr(request, verb)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        # The samples of the protocol's description.
        ("127.0.0.1:8080", "0a050d0100007f10903f"),
        ("[::1]:8080", "0a06120408011000 10903f"),
    ],
)
def test_addresses_are_written_as_sozu_writes_them(text: str, data: str) -> None:
    assert address_message(text).SerializeToString() == bytes.fromhex(data)


def test_both_halves_of_an_ipv6_address_are_in_their_places() -> None:
    v6 = address_message("[1:2:3:4:5:6:7:8]:1").ip.v6
    assert (v6.high, v6.low) == (0x0001000200030004, 0x0005000600070008)


def test_names_and_paths_are_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert address_message("Example.org:80").other == "example.org:80"
    assert address_message("unix:/run/s").other == "unix:/run/s"
    monkeypatch.chdir(tmp_path)
    assert address_message("unix:s").other == f"unix:{tmp_path}/s"
    assert address_message("unix:s").IsInitialized()


@pytest.mark.parametrize("text", ["", "localhost", "[::1]", "1.2.3.4:0", "::1:80", "unix:"])
def test_what_is_no_address_is_refused_with_what_is_meant(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no address; .* meant|is no address; an IPv6"):
        address_message(text)


def test_clusters() -> None:
    cluster = pb.Cluster(
        cluster_id="shop", sticky_session=True, https_redirect=False, load_balancing=pb.HRW
    )
    order = written.add_cluster("shop", load_balancing="hrw", sticky_session=True)
    assert told(order) == ("add_cluster", cluster)
    assert told(written.remove_cluster("shop")) == ("remove_cluster", "shop")
    with pytest.raises(ValueError, match="'best' is none of round_robin, random, least_loaded,"):
        written.add_cluster("shop", load_balancing="best")


def test_backends() -> None:
    least = pb.AddBackend(cluster_id="shop", backend_id="1", address=ADDRESS)
    assert told(written.add_backend("shop", "1", HERE)) == ("add_backend", least)
    most = pb.AddBackend(
        cluster_id="shop",
        backend_id="1",
        address=ADDRESS,
        sticky_id="s",
        load_balancing_parameters=pb.LoadBalancingParams(weight=0),
        backup=True,
    )
    order = written.add_backend("shop", "1", HERE, weight=0, sticky_id="s", backup=True)
    assert told(order) == ("add_backend", most)
    removed = pb.RemoveBackend(cluster_id="shop", backend_id="1", address=ADDRESS)
    assert told(written.remove_backend("shop", "1", HERE)) == ("remove_backend", removed)


@pytest.mark.parametrize("verb", ["add_http", "remove_http", "add_https", "remove_https"])
def test_frontends(verb: str) -> None:
    order = getattr(written, f"{verb}_frontend")
    least = pb.RequestHttpFrontend(
        cluster_id="shop",
        address=ADDRESS,
        hostname="example.org",
        path=pb.PathRule(kind=pb.PREFIX, value=""),
        position=pb.TREE,
    )
    assert told(order(HERE, "example.org", "shop")) == (f"{verb}_frontend", least)
    most = pb.RequestHttpFrontend(
        address=ADDRESS,
        hostname="example.org",
        path=pb.PathRule(kind=pb.EQUALS, value="/a"),
        method="GET",
        position=pb.PRE,
        tags={"k": "v"},
    )
    selection = {"path": "/a", "path_kind": "equals", "method": "GET", "position": "pre"}
    order = order(HERE, "example.org", None, **selection, tags={"k": "v"})
    assert told(order) == (f"{verb}_frontend", most)


def pem(text: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"


def test_certificates() -> None:
    held = pb.CertificateAndKey(
        certificate=pem("one"), certificate_chain=[pem("two"), pem("three")], key="key", names=["n"]
    )
    text = pem("one") + "\n" + pem("two") + pem("three")
    added = pb.AddCertificate(address=ADDRESS, certificate=held)
    order = written.add_certificate(HERE, text, "key", names=["n"])
    assert told(order) == ("add_certificate", added)
    replaced = pb.ReplaceCertificate(address=ADDRESS, new_certificate=held, old_fingerprint="ab")
    order = written.replace_certificate(HERE, "ab", text, "key", names=["n"])
    assert told(order) == ("replace_certificate", replaced)
    removed = pb.RemoveCertificate(address=ADDRESS, fingerprint="ab")
    assert told(written.remove_certificate(HERE, "ab")) == ("remove_certificate", removed)
    with pytest.raises(ValueError, match="there is no certificate in it"):
        written.add_certificate(HERE, "key.pem", "key")


def test_listeners() -> None:
    verb, http = told(written.add_http_listener(HERE, front_timeout=7, public_address="[::1]:80"))
    assert verb == "add_http_listener"
    assert (http.address, http.front_timeout, http.back_timeout) == (ADDRESS, 7, 30)
    assert http.public_address == address_message("[::1]:80")
    assert (http.sticky_name, http.active) == ("SOZUBALANCEID", False)
    verb, https = told(written.add_https_listener(HERE, public_address=ADDRESS))
    assert verb == "add_https_listener"
    assert (https.send_tls13_tickets, https.public_address) == (4, ADDRESS)
    assert told(written.add_https_listener(HERE, send_tls13_tickets=1))[1].send_tls13_tickets == 1
    activated = pb.ActivateListener(address=ADDRESS, proxy=pb.HTTP, from_scm=False)
    assert told(written.activate_listener(HERE)) == ("activate_listener", activated)
    deactivated = pb.DeactivateListener(address=ADDRESS, proxy=pb.HTTPS, to_scm=False)
    assert told(written.deactivate_listener(HERE, "https")) == ("deactivate_listener", deactivated)
    removed = pb.RemoveListener(address=ADDRESS, proxy=pb.HTTP)
    assert told(written.remove_listener(HERE)) == ("remove_listener", removed)


def test_paths_of_states_are_made_absolute_by_who_knows_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told(written.save_state("s")) == ("save_state", f"{tmp_path}/s")
    assert told(written.load_state("s")) == ("load_state", f"{tmp_path}/s")
    saved = pb.SaveState(path=f"{tmp_path}/s", without_keys=True)
    assert told(written.save_state("s", without_keys=True)) == ("save_state_as", saved)


def test_a_batch_is_of_orders_that_were_written() -> None:
    requests = [written.add_cluster("a"), written.add_backend("a", "1", HERE)]
    assert told(written.batch(requests)) == ("batch", pb.Batch(requests=requests))


def test_who_is_behind_is_told_by_the_hashes() -> None:
    answer = pb.Response(status=pb.OK, message="")
    with pytest.raises(ValueError, match="the main process says nothing"):
        behind(answer)
    said = answer.content.worker_responses.map
    said["main"].cluster_hashes.map["a"] = 1
    for worker in ("0", "1", "2"):
        said[worker].cluster_hashes.map["a"] = 1
    assert behind(answer) == []
    said["2"].cluster_hashes.map["a"] = 2
    said["1"].cluster_hashes.map["b"] = 1
    del said["0"].cluster_hashes.map["a"]
    assert behind(answer) == ["0", "1", "2"]
