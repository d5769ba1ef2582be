"""The sizes a foundation model may be trained or served on, wherever the registry keeps them today.

They were tags (a Python list as text), then properties (`finetune-recommended-sku`, comma-joined), and since
June 2026 system metadata (`supportedComputes`).
"""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any, Literal

from mlops.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

Use = Literal["finetune", "inference"]

NO_FINE_TUNING = ("standard_nc6", "standard_nc12", "standard_nc24", "standard_nc24r")
"""K80 sizes, too old for any of the training images."""


def literal(text: str) -> Any:
    """Return the value in a tag: a Python literal as the registry writes it, or JSON.

    Raises ValueError if it is neither.
    """
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return json.loads(text)


def allow_list(
    use: Use, *, tags: Mapping[str, str], properties: Mapping[str, str]
) -> tuple[tuple[str, ...], str] | None:
    """Return the sizes allowed for a use and where they were found, or None if the registry does not say."""
    tag = f"{use}_compute_allow_list"
    if tag in tags:
        return tuple(literal(tags[tag])), f"tag {tag}"
    for key in (f"{use}Computes", f"{use}-recommended-sku"):
        if key in properties:
            return tuple(size.strip() for size in properties[key].split(",")), f"property {key}"
    if "system_metadata" in properties:
        computes = literal(properties["system_metadata"]).get("supportedComputes", {})
        if f"{use}Computes" in computes:
            return tuple(computes[f"{use}Computes"]), f"system metadata {use}Computes"
    return None


def check_size(size: str, use: Use, *, tags: Mapping[str, str], properties: Mapping[str, str]) -> str:
    """Return where the size was found to be allowed, and all sizes that are; sizes compare without case.

    Raises InputError if the model does not allow it.
    """
    found = allow_list(use, tags=tags, properties=properties)
    if found is None:
        if size.lower() in NO_FINE_TUNING:
            raise InputError(f"{size} is too old for {use}; choose a size with V100, A100 or newer GPUs")
        return "no allow list in the registry"
    sizes, where = found
    if size.lower() not in {allowed.lower() for allowed in sizes}:
        raise InputError(f"{size} is not allowed for {use} of this model ({where}); choose one of {', '.join(sizes)}")
    return f"{where}: {', '.join(sizes)}"
