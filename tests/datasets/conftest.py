"""A loopback stand-in of the Hugging Face Hub: what the library asks of it, and the ways in which it fails."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.benchmarks.ultrachat import Planted, write_parquet

ULTRACHAT = "HuggingFaceH4/ultrachat_200k"
SPLITS = ("train_sft", "test_sft", "train_gen", "test_gen")
MESSAGE = pa.struct([("content", pa.string()), ("role", pa.string())])
SCHEMA = pa.schema([("prompt", pa.string()), ("prompt_id", pa.string()), ("messages", pa.list_(MESSAGE))])


@dataclass
class Repository:
    """Files at one commit, which is also the branch main; `readers` are the tokens that may read it, None is all."""

    name: str
    files: Mapping[str, bytes]
    card: Mapping[str, Any]
    gated: bool = False
    private: bool = False
    readers: frozenset[str] | None = None

    @property
    def commit(self) -> str:
        """Return the hash of the content."""
        contents = [f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in sorted(self.files.items())]
        return hashlib.sha1("\n".join(contents).encode()).hexdigest()  # noqa: S324 - as git does

    def info(self) -> dict[str, Any]:
        """Return what `GET /api/datasets/NAME/revision/REVISION` answers."""
        siblings = [{"rfilename": name} for name in self.files]
        gated = "auto" if self.gated else False
        return {"id": self.name, "sha": self.commit, "gated": gated, "cardData": self.card, "siblings": siblings}


@dataclass
class Hub:
    """What the stand-in holds, what it was asked, and what it is to do wrong next."""

    endpoint: str
    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    too_many: int = 0
    """How many requests are refused with 429."""
    drops: dict[str, int] = field(default_factory=dict)
    """File -> how many times its connection is dropped half-way."""

    def add(self, name: str, files: Mapping[str, bytes], card: Mapping[str, Any]) -> Repository:
        """Publish a data set; its card is the YAML of its README."""
        readme = f"---\n{yaml.safe_dump(dict(card))}---\n".encode()
        self.repositories[name] = Repository(name, {"README.md": readme, **files}, card)
        return self.repositories[name]

    def asked(self, method: str, what: str) -> list[str]:
        """Return the paths asked for by a method that contain some text."""
        return [path for asked, path, _ in self.requests if asked == method and what in path]

    def content(self, sha256: str) -> tuple[str, bytes]:
        """Return the file that has a hash, and its name."""
        files = [pair for repository in self.repositories.values() for pair in repository.files.items()]
        return next(pair for pair in files if hashlib.sha256(pair[1]).hexdigest() == sha256)


class _Handler(BaseHTTPRequestHandler):
    """The routes of the Hub that downloads need; large files are elsewhere, as on its CDN."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, {key.lower(): value for key, value in self.headers.items()}))
        if self.hub.too_many:
            self.hub.too_many -= 1
            self._refuse(429, "", {"Retry-After": "0"})
        elif found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/revision/(.+)", path):
            self._info(*found.groups())
        elif found := re.fullmatch(r"(?:/datasets)?/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(*found.groups())
        elif path.startswith("/cdn/"):
            self._send(*self.hub.content(path.removeprefix("/cdn/")), {})
        else:
            self._refuse(404, "")

    def _info(self, name: str, revision: str) -> None:
        repository = self._repository(name)
        if repository and revision in (repository.commit, "main"):
            self._reply(200, json.dumps(repository.info()).encode(), {"Content-Type": "application/json"})
        elif repository:
            self._refuse(404, "RevisionNotFound")

    def _repository(self, name: str) -> Repository | None:
        """Return a repository; refuse if it does not exist or is another's secret, which is the same to a stranger."""
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self._may_read(repository)):
            self._refuse(404 if self._token() else 401, "RepoNotFound")
            return None
        return repository

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _may_read(self, repository: Repository) -> bool:
        return repository.readers is None or self._token() in repository.readers

    def _resolve(self, name: str, revision: str, file: str) -> None:
        repository = self._repository(name)
        if repository is None:
            return
        if repository.gated and not self._may_read(repository):
            self._refuse(403 if self._token() else 401, "GatedRepo")
        elif revision not in (repository.commit, "main"):
            self._refuse(404, "RevisionNotFound")
        elif file not in repository.files:
            self._refuse(404, "EntryNotFound", {"X-Repo-Commit": repository.commit})
        else:
            self._file(repository, file)

    def _file(self, repository: Repository, file: str) -> None:
        content, commit = repository.files[file], {"X-Repo-Commit": repository.commit}
        sha256 = hashlib.sha256(content).hexdigest()
        if not file.endswith(".parquet"):
            self._send(file, content, commit | {"ETag": f'"{sha256[:40]}"'})
            return
        linked = {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(content))}
        # Another origin, so that a client that sent its token on would be seen to.
        elsewhere = self.hub.endpoint.replace("127.0.0.1", "localhost")
        self._reply(302, b"", commit | linked | {"Location": f"{elsewhere}/cdn/{sha256}"})

    def _send(self, file: str, content: bytes, headers: Mapping[str, str]) -> None:
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        ranged = {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"} if begin else {}
        if self.command == "GET" and self.hub.drops.get(file):
            self.hub.drops[file] -= 1
            self._head(206 if begin else 200, len(content) - begin, headers | ranged)
            self.wfile.write(content[begin : (begin + len(content)) // 2])
            self.close_connection = True
        else:
            self._reply(206 if begin else 200, content[begin:], headers | ranged)

    def _refuse(self, status: int, code: str, headers: Mapping[str, str] | None = None) -> None:
        self._reply(status, b"{}", (headers or {}) | ({"X-Error-Code": code} if code else {}))

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self._head(status, len(body), headers)
        if self.command == "GET":
            self.wfile.write(body)

    def _head(self, status: int, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(length)}).items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo that tests of the trainer which ran in this worker before have gone offline."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Start an empty Hub and point `HF_ENDPOINT` at it; nobody is signed in."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    handler.hub = Hub(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", handler.hub.endpoint)
    monkeypatch.setenv("HF_TOKEN", "")
    yield handler.hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def ultrachat(hub: Hub) -> Repository:
    """Publish a small ultrachat_200k: its four splits, its schema, its card; train_sft in three files."""
    files = {
        f"data/{split}-{index:05}-of-{count:05}-{hashlib.sha256(split.encode()).hexdigest()[:16]}.parquet": parquet(
            f"{split} {index}"
        )
        for split in SPLITS
        for count in [3 if split == "train_sft" else 1]
        for index in range(count)
    }
    data_files = [{"split": split, "path": f"data/{split}-*"} for split in SPLITS]
    card = {"license": "mit", "configs": [{"config_name": "default", "data_files": data_files}]}
    return hub.add(ULTRACHAT, files, card)


def parquet(text: str, *, rows: int = 40) -> bytes:
    """Return a parquet file of conversations about a text, in row groups of 15."""
    prompts = [f"{text}: question {number}" for number in range(rows)]
    table = pa.Table.from_pylist(
        [
            {
                "prompt": prompt,
                "prompt_id": hashlib.sha256(prompt.encode()).hexdigest(),
                "messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": "An answer."}],
            }
            for prompt in prompts
        ],
        SCHEMA,
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=15)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 3 parquet files: 1,200 conversations with the schema and sizes of ultrachat_200k."""
    folder = tmp_path_factory.mktemp("source")
    write_parquet(folder, count=1200, row_group=100, planted=Planted(duplicate=20, malformed=25))
    return folder
