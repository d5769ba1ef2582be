"""The certificates that let the SDK speak HTTPS with a server on loopback."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops.emulator.home import Home


def create(home: Home) -> None:
    """Make the home's own authority and the server's certificate, once; a home keeps them."""
    if home.certificate.exists():
        return
    import trustme

    authority = trustme.CA(organization_name="Azure ML emulator")
    authority.cert_pem.write_to_path(str(home.ca))
    server = authority.issue_cert("127.0.0.1", "localhost")
    unfinished = home.certificate.with_suffix(".new")
    server.private_key_and_cert_chain_pem.write_to_path(str(unfinished))
    unfinished.replace(home.certificate)


def write_bundle(home: Home) -> None:
    """Write the authorities that clients trust: those they trusted before, and the emulator's own."""
    unfinished = home.bundle.with_suffix(".new")
    unfinished.write_bytes(_public_authorities(home).read_bytes() + b"\n" + home.ca.read_bytes())
    unfinished.replace(home.bundle)


def server_context(home: Home) -> ssl.SSLContext:
    """Return what the server needs to speak TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(home.certificate)
    return context


def client_context(home: Home) -> ssl.SSLContext:
    """Return what a client needs to speak to this emulator, and to nothing else."""
    return ssl.create_default_context(cafile=str(home.ca))


def _public_authorities(home: Home) -> Path:
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        named = os.environ.get(variable)
        if named and Path(named).is_file() and Path(named).resolve() != home.bundle.resolve():
            return Path(named)
    import certifi

    return Path(certifi.where())
