"""Ports: one that is given away stays free until who was told it listens."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mlops import ports

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_a_port_given_away_can_be_listened_on() -> None:
    """A port that is free can be listened on, by the family of addresses that torchrun listens on, too."""
    with socket.create_server(("", ports.free())):
        pass


@pytest.mark.skipif(not EPHEMERAL.exists(), reason="only Linux says which ports it gives to connections")
def test_no_outgoing_connection_can_take_it_meanwhile() -> None:
    """A port is given away that the system gives to no outgoing connection in the meantime."""
    assert ports.free() < int(EPHEMERAL.read_text().split()[0])


def test_a_port_in_use_is_not_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all ports are listened on, none is given away, and the error says where was looked."""
    with socket.create_server(("127.0.0.1", ports.free())) as taken:
        only = taken.getsockname()[1]
        monkeypatch.setattr(ports, "_PORTS", [only])
        monkeypatch.setattr(ports, "_TRIES", 1)
        with pytest.raises(OSError, match=f"no free port was found from {only}"):
            ports.free()
