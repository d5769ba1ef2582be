"""What one endpoint may take, all its deployments together, and how much of that is used."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of managed online endpoints on Azure's quota page, which support raises when it is asked to."""

    requests_per_s: float = 500
    connections: float = 500
    new_connections_per_s: float = 500
    bytes_per_s: float = 5_000_000  # there and back

    @classmethod
    def read(cls) -> Limits:
        """Return the limits, with those that variables such as AZUREML_EMULATOR_REQUESTS_PER_S raise."""
        names = {field.name: f"AZUREML_EMULATOR_{field.name.upper()}" for field in fields(cls)}
        return cls(**{name: float(os.environ[variable]) for name, variable in names.items() if variable in os.environ})


class Usage:
    """How much of its limits an endpoint uses; `now` is in seconds, from any beginning."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._requests = _Bucket(limits.requests_per_s)
        self._new_connections = _Bucket(limits.new_connections_per_s)
        self._bytes = _Bucket(limits.bytes_per_s)
        self._num_connections = 0

    def connect(self, now: float) -> bool:
        """Count a connection until `disconnect`, unless that would be too many, or too many in a second."""
        if self._num_connections >= self._limits.connections or not self._new_connections.take_one(now):
            return False
        self._num_connections += 1
        return True

    def disconnect(self) -> None:
        """Count a connection no more."""
        self._num_connections -= 1

    def request(self, now: float) -> bool:
        """Count a request, unless that would be too many in a second."""
        return self._requests.take_one(now)

    def transfer(self, num_bytes: int, now: float) -> float:
        """Count bytes on their way there or back; return how many seconds they are too early."""
        return self._bytes.take(num_bytes, now)


class _Bucket:
    """Tokens that come at a rate, a second's worth at most; who takes more than there are is in debt."""

    def __init__(self, rate: float) -> None:
        self._rate = self._tokens = rate
        self._then = 0.0

    def take_one(self, now: float) -> bool:
        """Take a token if there is one, and return whether there was."""
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def take(self, amount: float, now: float) -> float:
        """Take tokens, there or not; return in how many seconds the debt is paid."""
        self._refill(now)
        self._tokens -= amount
        return -self._tokens / self._rate if self._tokens < 0 else 0.0

    def _refill(self, now: float) -> None:
        self._tokens = min(self._rate, self._tokens + (now - self._then) * self._rate)
        self._then = now
