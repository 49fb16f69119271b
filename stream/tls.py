"""A certificate of one's own: browsers give the camera only to pages that came encrypted, or from this machine."""

import datetime
import ipaddress
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = datetime.timedelta(days=397)  # browsers refuse longer ones
RENEW_BEFORE = datetime.timedelta(days=14)


def self_signed(folder: Path, addresses: Sequence[str]) -> tuple[Path, Path]:
    """Certificate and key for this machine, kept in `folder` as long as they are valid for all its addresses.

    Kept, because a browser asks its user again for each new certificate.
    """
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    names = _names(addresses)
    if not (key_file.is_file() and _still_good(certificate_file, names)):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        _write_secret(key_file, _key_pem(key))
        certificate_file.write_bytes(_certificate(key, names).public_bytes(serialization.Encoding.PEM))
    return certificate_file, key_file


def _names(addresses: Sequence[str]) -> list[x509.GeneralName]:
    hosts = sorted({"localhost", socket.gethostname(), f"{socket.gethostname().split('.')[0]}.local"})
    numbers = sorted({"127.0.0.1", "::1", *addresses})
    usable = [host for host in hosts if host.isascii()]
    return [*map(x509.DNSName, usable), *(x509.IPAddress(ipaddress.ip_address(number)) for number in numbers)]


def _still_good(file: Path, names: list[x509.GeneralName]) -> bool:
    if not file.is_file():
        return False
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    fresh = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > RENEW_BEFORE
    return fresh and set(names) <= set(covered)


def _certificate(key: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName]) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Mien on {socket.gethostname()}"[:64])])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_secret(file: Path, content: bytes) -> None:
    """Readable by its owner alone from the first byte on."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
