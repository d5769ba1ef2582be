"""What Azure ML refuses to change in an asset that exists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops.emulator.errors import ArmError, bad_request

if TYPE_CHECKING:
    from mlops.emulator.store import Document

# What may change in a version; everything else is the asset itself.
_MUTABLE = {"description", "tags", "properties", "isArchived", "stage", "autoDeleteSetting", "flavors", "jobName"}
# The SDK sends them back as it read them.
_DERIVED = {"provisioningState", "systemMetadata", "isAnonymous", "referencedUris"}
_MUTABLE_OF_COMPONENTS = {"description", "tags", "display_name", "is_archived", "properties"}
_NOUNS = {"codes": "code", "data": "data", "models": "model", "environments": "environment", "components": "component"}

_NUMBER = re.compile(r"[1-9][0-9]*")


def refuse_version(kind: str, version: str) -> None:
    """Raise the 400 for the version of a model that is no positive integer; other assets' may be any text."""
    if kind == "models" and not _NUMBER.fullmatch(version):
        raise bad_request(f"The version of a model must be a positive integer, not {version}.")


def refuse_change(kind: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Raise the 409 when `new` changes what makes the asset of a kind what it is."""
    changed = {key for key, value in new.items() if key not in _MUTABLE | _DERIVED and old.get(key) != value}
    if kind == "components":
        changed.discard("componentSpec")
        if not old["isAnonymous"]:
            changed |= _changes_of_component(old["componentSpec"], new.get("componentSpec", {}))
    if changed:
        noun = _NOUNS[kind]
        # The SDK takes this status as the sign to try the next version of an environment.
        raise ArmError(
            409,
            "UserError",
            f"A {noun} version with this name and version already exists. If you are trying to create a new {noun} "
            f"version, use a different name or version. If you are trying to update an existing {noun} version, the "
            f"existing asset's {', '.join(sorted(changed))} cannot be changed. Only description, tags, and isArchived "
            "can be modified.",
        )


def refuse_other_type(kind: str, container: Document | None, new: dict[str, Any]) -> None:
    """Raise the 400 when a version of data has another type than the versions before it."""
    if kind != "data" or container is None:
        return
    old = container["properties"].get("dataType")
    if old and new.get("dataType") not in (None, old):
        name = container["name"]
        raise bad_request(f"Data {name} is of type {old}; a version of type {new['dataType']} needs another name.")


def _changes_of_component(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    return {
        key for key in old.keys() | new.keys() if key not in _MUTABLE_OF_COMPONENTS and old.get(key) != new.get(key)
    }
