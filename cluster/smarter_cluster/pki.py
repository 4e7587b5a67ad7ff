"""Keys, certificates and kubeconfigs: the cluster's own authority and the one whose certificates visitors see."""

import base64
import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smarter_cluster import files

LIFETIME = datetime.timedelta(days=3650)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whom a certificate names, and under which addresses."""

    name: str
    organization: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeyPair:
    """Where a private key and its certificate lie."""

    key: Path
    certificate: Path


class Authority:
    """A certificate authority in a folder; everything is made once and then kept."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.pair = KeyPair(folder / "ca.key", folder / "ca.crt")
        if not self.pair.certificate.is_file():
            key = ec.generate_private_key(ec.SECP256R1())
            _write_pair(self.pair, key, _authority_builder(name), signer=key)

    def issue(self, file_name: str, subject: Subject) -> KeyPair:
        """A certificate for servers and clients, signed by this authority."""
        pair = KeyPair(self.folder / f"{file_name}.key", self.folder / f"{file_name}.crt")
        if not pair.certificate.is_file():
            signer, issuer = _load(self.pair)
            builder = _leaf_builder(subject).issuer_name(issuer.subject)
            _write_pair(pair, ec.generate_private_key(ec.SECP256R1()), builder, signer)
        return pair


def signing_key(folder: Path) -> KeyPair:
    """The key pair that signs service account tokens; its second half is a bare public key."""
    pair = KeyPair(folder / "service-account.key", folder / "service-account.pub")
    if not pair.certificate.is_file():
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        files.write(pair.key, _private_pem(key), 0o600)
        files.write(pair.certificate, public)
    return pair


def kubeconfig(server: str, authority: Path, client: KeyPair) -> str:
    """A kubeconfig that carries its certificates, so that it can be copied anywhere."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "smarter",
        "contexts": [{"name": "smarter", "context": {"cluster": "smarter", "user": "smarter"}}],
        "clusters": [
            {"name": "smarter", "cluster": {"server": server, "certificate-authority-data": _base64(authority)}}
        ],
        "users": [
            {
                "name": "smarter",
                "user": {
                    "client-certificate-data": _base64(client.certificate),
                    "client-key-data": _base64(client.key),
                },
            }
        ],
    }
    return yaml.safe_dump(document, sort_keys=False)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _authority_builder(name: str) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    own_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(own_name)
        .issuer_name(own_name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
    )


def _leaf_builder(subject: Subject) -> x509.CertificateBuilder:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, subject.name)]
    if subject.organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.organization))
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    )
    names = [_general_name(host) for host in subject.hosts]
    return builder.add_extension(x509.SubjectAlternativeName(names), critical=False) if names else builder


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_pair(
    pair: KeyPair, key: ec.EllipticCurvePrivateKey, builder: x509.CertificateBuilder, signer: ec.EllipticCurvePrivateKey
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        builder.public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(subject, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    files.write(pair.key, _private_pem(key), 0o600)
    files.write(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def _load(pair: KeyPair) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{pair.key} is no EC key.")
    return key, x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
