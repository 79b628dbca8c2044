"""A small certificate authority, for the machines of a fleet to authenticate each other.

Every certificate has the machine's name as its common name, to which a router gives rights, and the
hosts by which others reach it. Both ends of a connection present their certificates.

A certificate is written after its key: if it exists, both are complete.
"""

import contextlib
import datetime as dt
import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dsmq_nodes.dsmq.tls_files import check_tls_files
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.uplink.launch_entry import is_name

_AUTHORITY: Final = "ca"
_AUTHORITY_DAYS: Final = 3650.0
MACHINE_DAYS: Final = 825.0  # the most that common TLS libraries accept
# Python 3.13 and newer refuse an authority that does not say that it signs (RFC 5280, 4.2.1.3).
_SIGNS: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
_EARLY: Final = dt.timedelta(days=1)  # clocks of robots are not exact
_SOON: Final = dt.timedelta(days=30)


def make_keys(directory: Path, machines: list[str], *, days: float = MACHINE_DAYS) -> list[Path]:
    """Make certificates and keys; the first call also makes the authority.

    Args:
        directory: the directory of the files.
        machines: `name`, or `name=host,host` with the hosts by which others reach it.
        days: the validity of the certificates.

    Returns:
        The paths of the certificates; each key is beside its certificate.

    Raises:
        CommandError: a machine has a certificate already, or a file cannot be written or read.
    """
    try:
        for each in machines:
            _check_is_new(directory, each)
        directory.mkdir(parents=True, exist_ok=True)
        authority, signer = _authority(directory)
        return [_machine(directory, each, authority, signer, days) for each in machines]
    except OSError as error:
        where = error.filename or directory
        raise CommandError(f"{where}: {error.strerror or error}") from None


def name_in(certificate: Path) -> str:
    """Return the machine's name in a certificate; empty if there is none.

    Raises:
        OSError: the certificate cannot be read.
    """
    try:
        subject = x509.load_pem_x509_certificate(certificate.read_bytes()).subject
    except ValueError:
        return ""
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def doubts(certificate: Path, key: Path) -> Iterator[str]:
    """Yield warnings about a certificate and its key, one line each.

    Raises:
        OSError: a file cannot be read.
    """
    try:
        until = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except ValueError:
        return  # Zenoh reports the reason when it loads it
    left = until - dt.datetime.now(dt.UTC)
    if dt.timedelta() < left < _SOON:
        yield (
            f"the certificate {certificate} expires in {left.days} days, on {until:%Y-%m-%d}: move "
            "it away and make another with `dsmq-nodes uplink keys`"
        )
    if os.name == "posix" and key.stat().st_mode & 0o077:
        yield f"others on this machine may read the key {key}: chmod 600 {key}"


def _authority(directory: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate, key = directory / f"{_AUTHORITY}.pem", directory / f"{_AUTHORITY}.key"
    if certificate.exists():
        return _authority_in(certificate, key)
    signer = ec.generate_private_key(ec.SECP256R1())
    name = _name("dsmq_nodes fleet")
    made = (
        _builder(name, name, signer, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNS, critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    _write(certificate, key, made, signer)
    return made, signer


def _authority_in(
    certificate: Path, key: Path
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    check_tls_files(certificate, key)
    with contextlib.suppress(ValueError, TypeError):
        found = serialization.load_pem_private_key(key.read_bytes(), None)
        made = x509.load_pem_x509_certificate(certificate.read_bytes())
        is_whole = found.public_key() == made.public_key()
        if isinstance(found, ec.EllipticCurvePrivateKey) and is_whole:
            return made, found
    raise CommandError(
        f"{certificate} and {key} are not an authority of this command: move both away, "
        "and it makes a new one, whose certificates all machines then need"
    )


def _check_is_new(directory: Path, machine: str) -> None:
    name, _, hosts = machine.partition("=")
    certificate = directory / f"{name}.pem"
    if certificate.exists() or name == _AUTHORITY:
        raise CommandError(
            f"{certificate} exists already: leave {name} out, delete that file, or use another name"
        )
    if not is_name(name) or not all(map(str.isascii, hosts)):
        raise CommandError(f"{machine!r}: write a machine as r1, or as base=192.168.1.5,base.local")


def _machine(
    directory: Path,
    machine: str,
    authority: x509.Certificate,
    signer: ec.EllipticCurvePrivateKey,
    days: float,
) -> Path:
    name, _, hosts = machine.partition("=")
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    own = ec.generate_private_key(ec.SECP256R1())
    names = dict.fromkeys([name, "localhost", "127.0.0.1", "::1", *filter(None, hosts.split(","))])
    made = (
        _builder(_name(name), authority.subject, own, days)
        .add_extension(x509.SubjectAlternativeName([_host(each) for each in names]), critical=False)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    _write(certificate, key, made, own)
    return certificate


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: float
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - 2 * _EARLY,
        not_valid_after=now + dt.timedelta(days=days),
    )


def _write(
    certificate: Path, key: Path, made: x509.Certificate, own: ec.EllipticCurvePrivateKey
) -> None:
    text = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _replace(key, text, 0o600)
    _replace(certificate, made.public_bytes(serialization.Encoding.PEM), 0o666)


def _replace(path: Path, text: bytes, mode: int) -> None:
    """Write a file completely, or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)  # an old one may be readable by others
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
