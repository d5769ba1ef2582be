"""Takes secrets out of what is written down: keys, tokens, passwords and signatures of shared access."""

from __future__ import annotations

import re
from typing import Any

REDACTED = "…redacted…"

# Names of fields and variables whose value is a secret, however they are spelled.
_SECRET = re.compile(
    r"(?:^|[^a-z])(?:key|keys|token|secret|secrets|password|credential|credentials|sas|signature|authorization)$"
    r"|(?:primary|secondary|account|api|access)_?key|keyvalue|token$|secret|password|connection_?string|credential|^sas",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"(\bsig=)[^&\s\"']+", re.IGNORECASE)
_BEARER = re.compile(r"(\bbearer\s+)[^\s\"']+", re.IGNORECASE)


def redact(value: Any, *, name: str = "") -> Any:
    """Return the JSON value without its secrets; those are known by the name of their field, or by how they look."""
    if isinstance(value, dict):
        return {key: redact(inner, name=name if _is_secret(name) else key) for key, inner in value.items()}
    if isinstance(value, list):
        return [redact(inner, name=name) for inner in value]
    if value is not None and _is_secret(name):
        return REDACTED
    return _BEARER.sub(rf"\1{REDACTED}", _SIGNATURE.sub(rf"\1{REDACTED}", value)) if isinstance(value, str) else value


def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None
