"""A client that costs little: a kept-alive connection, a request made once, and no more parsing than needed."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

QUESTION = json.dumps({"input_data": {"input_string": [{"role": "user", "content": "a" * 920}], "parameters": {}}})


@dataclass(frozen=True)
class Connection:
    """A connection to a scoring URL."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: bytes

    @classmethod
    async def open(cls, url: str, key: str) -> Connection:
        """Return a connection on which every request is the same chat of 1 KB."""
        parts = urlsplit(url)
        context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"]) if parts.scheme == "https" else None
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
        head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {key}\r\n"
        body = f"Content-Type: application/json\r\nContent-Length: {len(QUESTION)}\r\n\r\n{QUESTION}"
        return cls(reader, writer, (head + body).encode())

    async def ask(self) -> bytes:
        """Return the head of the answer, in lower case, when its body has arrived."""
        self.writer.write(self.request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        await self.reader.readexactly(int(field(head, b"content-length")))
        return head

    def close(self) -> None:
        """End the connection."""
        self.writer.close()


def field(head: bytes, name: bytes) -> bytes:
    """Return the value of a header."""
    return head.partition(b"\r\n%b: " % name)[2].partition(b"\r\n")[0]


def is_good(head: bytes) -> bool:
    """Return whether the status is 200."""
    return head.startswith(b"http/1.1 200 ")
