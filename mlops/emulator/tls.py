"""The certificates that let the SDK speak HTTPS with a server on loopback."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.emulator.home import LOOPBACK, open_private

if TYPE_CHECKING:
    from mlops.emulator.home import Home


def create(home: Home) -> None:
    """Make the home's own authority and the server's certificate; a home keeps them as long as its address lasts."""
    names = _names(home)
    if home.certificate.exists() and names <= _named(home.certificate):
        return
    import trustme

    authority = trustme.CA(organization_name="Azure ML emulator")
    _write(home.ca, authority.cert_pem.bytes())
    server = authority.issue_cert(*sorted(names))
    _write(home.certificate, server.private_key_and_cert_chain_pem.bytes())


def write_bundle(home: Home) -> None:
    """Write the authorities that clients trust: those they trusted before, and the emulator's own."""
    _write(home.bundle, _public_authorities(home).read_bytes() + b"\n" + home.ca.read_bytes())


def server_context(home: Home) -> ssl.SSLContext:
    """Return what the server needs to speak TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(home.certificate)
    return context


def client_context(home: Home) -> ssl.SSLContext:
    """Return what a client needs to speak to this emulator, and to nothing else."""
    return ssl.create_default_context(cafile=str(home.ca))


def _names(home: Home) -> set[str]:
    """Return every name by which clients may call the server: those of loopback, and those it listens on."""
    names = {LOOPBACK, "localhost", home.address}
    if home.host != home.address:  # it listens on every interface
        names |= {str(info[4][0]) for info in socket.getaddrinfo(home.address, None, socket.AF_INET)}
    return names


def _named(certificate: Path) -> set[str]:
    from cryptography import x509

    read = x509.load_pem_x509_certificate(certificate.read_bytes())
    found = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


def _write(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(".new")
    with open_private(unfinished) as file:
        file.write(content.decode())
    unfinished.replace(path)


def _public_authorities(home: Home) -> Path:
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        named = os.environ.get(variable)
        if named and Path(named).is_file() and Path(named).resolve() != home.bundle.resolve():
            return Path(named)
    import certifi

    return Path(certifi.where())
