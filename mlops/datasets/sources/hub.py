"""Data sets of the Hugging Face Hub, or of a mirror that `HF_ENDPOINT` names: what there is, and the files wanted."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

import orjson

from mlops.datasets.sources.listing import Listing
from mlops.errors import DataError
from mlops.whole import NO_SPACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from huggingface_hub.errors import HfHubHTTPError

REFERENCE: Final = re.compile(r"hub:(?P<repo>[\w.-]+/[\w.-]+)(/(?P<config>[\w.-]+))?(@(?P<revision>\S+))?")
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
HUB: Final = "https://huggingface.co"
TIMEOUT_S: Final = 30
DOWNLOADS: Final = 4
RETRY: Final = "run the stage again, it goes on where it stopped"


@dataclass(frozen=True)
class Reference:
    """`hub:OWNER/NAME@REVISION`, or `hub:OWNER/NAME/CONFIG@REVISION` for one configuration of several."""

    repo: str
    config: str | None
    revision: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference.

        Raises DataError if it has another form or no revision.
        """
        found = REFERENCE.fullmatch(text)
        if found is None:
            raise DataError(f"{text} is no reference to the Hub: write hub:OWNER/NAME@REVISION")
        if found["revision"] is None:
            raise DataError(
                f"{text} has no revision, so that another day it may be other data: write {text}@COMMIT, "
                f"or {text}@main for what is there now"
            )
        return cls(found["repo"], found["config"], found["revision"])

    def __str__(self) -> str:
        """Return the reference as it is written in settings."""
        return f"hub:{self.repo}{f'/{self.config}' if self.config else ''}@{self.revision}"


def look_up(reference: Reference, *, cache: Path) -> tuple[str, Listing]:
    """Return the commit that a revision is now, and what is in it.

    What a commit holds never changes: once seen it is kept in `cache`, and needs no network. Raises DataError if the
    data set or the revision does not exist, or is not to be had.
    """
    kept = cache / "listings" / reference.repo / f"{reference.revision}.json"
    if COMMIT.fullmatch(reference.revision) and kept.is_file():
        document = orjson.loads(kept.read_bytes())
    else:
        with _in_a_sentence(reference):
            document = _dataset_info(reference)
            _keep(document, kept.with_name(f"{document['sha']}.json"))
    files = tuple(file["rfilename"] for file in document["siblings"])
    return document["sha"], Listing(str(reference), files, document.get("cardData") or {})


def download(reference: Reference, files: Sequence[str], *, commit: str, cache: Path) -> dict[str, Path]:
    """Return where the files of a commit are on this machine, after downloading those that are not there.

    A connection that drops is taken up again where it broke off. Raises DataError if that is in vain; nothing
    half-written has a final name, and what is complete is kept for the next time.
    """
    from huggingface_hub import hf_hub_download

    fetch = partial(
        hf_hub_download,
        reference.repo,
        repo_type="dataset",
        revision=commit,
        cache_dir=cache,
        endpoint=_endpoint(),
        etag_timeout=TIMEOUT_S,
    )
    with _in_a_sentence(reference), ThreadPoolExecutor(DOWNLOADS) as pool:
        return dict(zip(files, map(Path, pool.map(fetch, files)), strict=True))


def download_file(text: str, file: str, *, repo_type: Literal["model", "dataset"], cache: Path) -> Path:
    """Return one file of a repository, such as a model's tokenizer, after downloading it.

    Raises DataError if it is not to be had.
    """
    from huggingface_hub import hf_hub_download

    reference = Reference.parse(text)
    with _in_a_sentence(reference):
        return Path(
            hf_hub_download(
                reference.repo,
                file,
                repo_type=repo_type,
                revision=reference.revision,
                cache_dir=cache,
                endpoint=_endpoint(),
                etag_timeout=TIMEOUT_S,
            )
        )


def _endpoint() -> str:
    """Return the Hub or the mirror to use; the library takes a variable that is empty for a mirror without a name."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB


def _dataset_info(reference: Reference) -> dict[str, Any]:
    """Return the Hub's answer about a revision; unlike `HfApi.dataset_info` this waits when it is told to (429)."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # exported when first asked for
        build_hf_headers,
        hf_raise_for_status,
        http_backoff,
    )

    response = http_backoff(
        "GET",
        f"{_endpoint()}/api/datasets/{reference.repo}/revision/{quote(reference.revision, safe='')}",
        headers=build_hf_headers(),
        timeout=TIMEOUT_S,
        retry_on_exceptions=(),
    )
    hf_raise_for_status(response)
    document: dict[str, Any] = response.json()
    return document


def _keep(document: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_bytes(orjson.dumps(document))
    temporary.replace(path)


@contextmanager
def _in_a_sentence(reference: Reference) -> Iterator[None]:
    """Turn what goes wrong on the way to the Hub and back into a DataError that says what to do."""
    from httpx2 import HTTPError
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except HfHubHTTPError as error:
        raise DataError(f"{reference}: {_refusal(error, reference)}") from None
    except HFValidationError as error:
        raise DataError(f"{reference}: {error}; give hub:OWNER/NAME@REVISION") from None
    except OfflineModeIsEnabled:
        raise DataError(
            f"{reference} is not on this machine, and HF_HUB_OFFLINE forbids to download it: set that to 0, or name "
            "a file"
        ) from None
    except (OSError, HTTPError, RuntimeError) as error:  # RuntimeError is all that hf_xet, the faster way, has to say
        cause = error.__cause__ or error
        sentence = _refusal(cause, reference) if isinstance(cause, HfHubHTTPError) else _failure(cause)
        raise DataError(f"{reference}: {sentence}") from None


def _refusal(error: HfHubHTTPError, reference: Reference) -> str:
    """Return what an HTTP status means here and what to do about it."""
    from huggingface_hub.errors import GatedRepoError, RemoteEntryNotFoundError, RevisionNotFoundError

    status, url = error.response.status_code, error.response.url
    address = f"{_endpoint()}/datasets/{reference.repo}"
    if isinstance(error, GatedRepoError):
        return _no_access(address)
    if isinstance(error, RevisionNotFoundError):
        return f"has no revision {reference.revision}: take a commit, tag or branch of {address}/commits/main"
    if isinstance(error, RemoteEntryNotFoundError):
        return f"has no such file ({url.path})"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND):
        token = "the one in HF_TOKEN is wrong or has no access" if _has_token() else "set HF_TOKEN"
        return f"does not exist, or is private: check the name; if it is private, it needs a token, and {token}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        after = error.response.headers.get("retry-after", "some")
        return f"the Hub has had too many requests from here (429): wait {after} seconds or set HF_TOKEN, then {RETRY}"
    return f"the Hub answered {status} ({error.server_message or error.response.reason_phrase}): {RETRY}"


def _no_access(address: str) -> str:
    if _has_token():
        return f"is gated, and the account of HF_TOKEN has no access: ask for it at {address}"
    return f"is gated: accept its terms at {address}, then put a token of that account into HF_TOKEN"


def _has_token() -> bool:
    from huggingface_hub import get_token

    return get_token() is not None


def _failure(error: BaseException) -> str:
    """Return what a broken connection or a full disk means and what to do about it."""
    number = getattr(error, "errno", None)
    if number in NO_SPACE:
        return f"there is no space for the download ({os.strerror(number)}): make room, then {RETRY}"
    if number is not None:
        return f"the download cannot be written: {error}"
    return f"the Hub cannot be reached or the connection broke ({error}): check the network, then {RETRY}"
