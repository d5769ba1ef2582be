"""The types of the fields in the service's request bodies, and the fields that many bodies share."""

from __future__ import annotations

from typing import Annotated, Any

import isodate  # type: ignore[import-untyped]  # it ships no types
from pydantic import AfterValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict


def _duration(text: str) -> str:
    """Return the text if it is a duration of ISO 8601, such as `PT5S`; raise ValueError if not."""
    try:
        isodate.parse_duration(text)
    except (isodate.ISO8601Error, OverflowError) as error:
        raise ValueError(f"{text!r} is no duration of ISO 8601, such as PT5S") from error
    return text


# A field that is null is one that was not given; a number is a signed one of 32 bits, as in the service's own schema.
Text = str | None
Flag = bool | None
Count = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)] | None
Lines = Annotated[int, Field(ge=0, le=2**31 - 1)] | None
Duration = Annotated[str, AfterValidator(_duration)] | None
Object = dict[str, Any] | None
Objects = dict[str, Object] | None
Texts = dict[str, Text] | None

shape = with_config(ConfigDict(extra="allow", strict=True))


@shape
class Labels(TypedDict, total=False):
    """What one may write on most resources."""

    description: Text
    tags: Texts
    properties: Object  # the SDK sends numbers here, too
    isArchived: Flag


@shape
class Sku(TypedDict, total=False):
    """How many machines a deployment has."""

    name: Text
    capacity: Count


@shape
class Resource(TypedDict, total=False):
    """What every resource has beside its properties."""

    location: Text
    tags: Texts
    identity: Object
    kind: Text
    sku: Sku | None
