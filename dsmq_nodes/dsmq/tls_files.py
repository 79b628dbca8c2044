"""Checks certificates and keys: OpenSSL would wait for the writer if such a file is a pipe."""

import ssl
import stat
from pathlib import Path

from dsmq_nodes.errors import InsecureError


def check_tls_files(*paths: str | Path | None) -> None:
    """Refuse a path that reading might wait for, or never reach the end of.

    A pipe without a name, as of `--tls-cert <(command)`, has a writer and is accepted.

    Raises:
        OSError: a path does not exist, or is not a file.
    """
    for path in [Path(each) for each in paths if each]:
        mode = path.stat().st_mode
        is_nameless = stat.S_ISFIFO(mode) and not path.resolve().exists()
        if not stat.S_ISREG(mode) and not is_nameless:
            raise OSError(f"{path} is no file")


def check_certificate(
    certificate: str | Path | None, what: str, *others: str | Path | None
) -> None:
    """Refuse a server's key or authority without `what`, its certificate: it would have no TLS.

    Raises:
        InsecureError: there are such files, and no certificate.
    """
    given = next(filter(None, others), None)
    if given and not certificate:
        raise InsecureError(
            f"{given} needs {what} (--tls-cert, in a launch file tls_cert): without it there is "
            "no TLS"
        )


def unusable_tls_files(error: OSError, *paths: str | Path | None) -> str:
    """Return why a server cannot use its files, as a text."""
    why = f"{error}"
    if isinstance(error, ssl.SSLError):
        why = f"{error.reason or error}; it takes a certificate and its own private key, in PEM"
    return f"cannot use the TLS files {', '.join(str(each) for each in paths if each)}: {why}"
