import base64
import datetime
import ssl
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from cluster.support import site
from smarter_cluster import controlplane, pki
from smarter_cluster.pki import Authority, KeyPair, Subject


def load(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def verify(authority: KeyPair, leaf: KeyPair, host: str) -> None:
    policy = PolicyBuilder().store(Store([load(authority)])).time(datetime.datetime.now(datetime.UTC))
    policy.build_server_verifier(x509.DNSName(host)).verify(load(leaf), [])


def test_a_strict_verifier_accepts_what_the_authority_issues(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "test")
    leaf = authority.issue("server", Subject(name="server", hosts=("bot.localhost", "127.0.0.1")))
    verify(authority.pair, leaf, "bot.localhost")
    with pytest.raises(VerificationError):
        verify(authority.pair, leaf, "other.localhost")
    with pytest.raises(VerificationError):
        verify(Authority(tmp_path / "other", "test").pair, leaf, "bot.localhost")


def test_everything_is_made_once_and_keys_are_private(tmp_path: Path) -> None:
    first = Authority(tmp_path, "test").issue("admin", Subject(name="admin", organization="system:masters"))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert Authority(tmp_path, "test").issue("admin", Subject(name="admin")) == first
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*.key")} == {0o600}


def test_python_can_serve_with_the_pairs(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "test").issue("server", Subject(name="server", hosts=("localhost",)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    assert context.cert_store_stats()["x509_ca"] == 0


def test_the_node_talks_to_the_api_over_the_link_and_users_over_loopback(tmp_path: Path) -> None:
    here = site(tmp_path)
    keys = controlplane.credentials(here)

    def server(path: Path) -> str:
        return str(yaml.safe_load(path.read_text())["clusters"][0]["cluster"]["server"])

    assert server(here.kubeconfig) == "https://127.0.0.1:6443"
    assert server(keys.kubeconfigs["kubelet"]) == "https://10.245.0.1:6443"
    names = load(keys.server).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"127.0.0.1", "10.245.0.1", "10.96.0.1"} == {str(name) for name in names.get_values_for_type(x509.IPAddress)}


def test_a_kubeconfig_carries_its_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "test")
    client = authority.issue("admin", Subject(name="admin", organization="system:masters"))
    shown = yaml.safe_load(pki.kubeconfig("https://127.0.0.1:1", authority.pair.certificate, client))
    user = shown["users"][0]["user"]
    assert base64.b64decode(user["client-key-data"]) == client.key.read_bytes()
    subject = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"])).subject
    assert subject.rfc4514_string() == "CN=admin,O=system:masters"
