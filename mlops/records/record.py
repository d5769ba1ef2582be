"""What every record is: frozen, strict, and recognized by a digest."""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A part of a record: cannot change, and knows no field it does not declare."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Record(Frozen):
    """What a stage leaves behind."""

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the canonical JSON (sorted keys, no spaces)."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def refusal(self) -> str | None:
        """Return why the path must end here, or None."""
        return None
