"""A storage on this machine that answers as S3 does, as far as the tests ask: moto needs packages that others rule out.

Buckets are made, and objects are put (also in parts), read in ranges, listed and deleted. Nothing is signed or checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

DATE = "2026-01-01T00:00:00.000Z"


@contextlib.contextmanager
def storage() -> Iterator[str]:
    """Yield the address of a new storage, for AWS_ENDPOINT_URL."""

    class Answering(_Answering):
        buckets: dict[str, dict[str, bytes]] = {}  # noqa: RUF012
        uploads: dict[str, dict[int, bytes]] = {}  # noqa: RUF012

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    buckets: dict[str, dict[str, bytes]]
    uploads: dict[str, dict[int, bytes]]

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(6, 1, 1)  # TCP_NODELAY: an answer is written in two parts

    def log_message(self, *_: Any) -> None:
        pass

    def _asked(self) -> tuple[str, str, dict[str, str]]:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        return bucket, key, {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = _unchunked(self.rfile.readline, self.rfile.read)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "x-amz-decoded-content-length" in self.headers or "aws-chunked" in self.headers.get("Content-Encoding", ""):
            inner = io.BytesIO(body)
            return _unchunked(inner.readline, inner.read)
        return body

    def _answer(self, code: int, body: bytes = b"", size: int | None = None, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if size is None else size))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _missing(self, what: str) -> None:
        body = b"" if self.command == "HEAD" else f"<Error><Code>{what}</Code><Message>none</Message></Error>".encode()
        self._answer(404, body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        bucket, key, query = self._asked()
        if bucket not in self.buckets:
            self._missing("NoSuchBucket")
        elif not key and self.command == "HEAD":
            self._answer(200)
        elif not key:
            self._answer(200, self._listing(bucket, query), Content_Type="application/xml")
        elif (content := self.buckets[bucket].get(key)) is None:
            self._missing("NoSuchKey")
        else:
            self._object(content)

    def _object(self, content: bytes) -> None:
        marks = {"ETag": f'"{hashlib.md5(content).hexdigest()}"', "Last_Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
                 "Accept_Ranges": "bytes"}  # fmt: skip
        wanted = self.headers.get("Range", "").removeprefix("bytes=")
        if not wanted:
            self._answer(200, content, len(content), **marks)
            return
        first, _, last = wanted.partition("-")
        start, end = int(first), min(int(last or len(content)), len(content) - 1)
        part = content[start : end + 1]
        self._answer(206, part, len(part), Content_Range=f"bytes {start}-{end}/{len(content)}", **marks)

    def _listing(self, bucket: str, query: dict[str, str]) -> bytes:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        most, after = int(query.get("max-keys", 1000)), query.get("continuation-token", "")
        found: dict[str, bytes | None] = {}
        for key, content in sorted(self.buckets[bucket].items()):
            if key.startswith(prefix):
                inner, mark, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
                found[f"{prefix}{inner}{mark}" if mark else key] = None if mark else content
        names = [name for name in found if name > after]
        lines = ["<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"]
        more = str(len(names) > most).lower()
        lines.append(f"<KeyCount>{len(names[:most])}</KeyCount><IsTruncated>{more}</IsTruncated>")
        if len(names) > most:
            lines.append(f"<NextContinuationToken>{escape(names[most - 1])}</NextContinuationToken>")
        for name in names[:most]:
            content = found[name]
            if content is None:
                lines.append(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>")
            else:
                about = f"<Size>{len(content)}</Size><LastModified>{DATE}</LastModified>"
                lines.append(f"<Contents><Key>{escape(name)}</Key>{about}</Contents>")
        return "".join([*lines, "</ListBucketResult>"]).encode()

    def do_PUT(self) -> None:
        bucket, key, query = self._asked()
        body = self._body()
        if not key:
            self.buckets.setdefault(bucket, {})
        elif "uploadId" in query:
            self.uploads[query["uploadId"]][int(query["partNumber"])] = body
        else:
            self.buckets[bucket][key] = body
        self._answer(200, ETag=f'"{hashlib.md5(body).hexdigest()}"')

    def do_POST(self) -> None:
        bucket, key, query = self._asked()
        body = self._body()
        if "uploads" in query:
            number = uuid.uuid4().hex
            self.uploads[number] = {}
            said = f"<UploadId>{number}</UploadId>"
            self._answer(200, f"<InitiateMultipartUploadResult>{said}</InitiateMultipartUploadResult>".encode())
        elif "uploadId" in query:
            parts = self.uploads.pop(query["uploadId"])
            self.buckets[bucket][key] = b"".join(parts[number] for number in sorted(parts))
            self._answer(200, b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
        else:  # delete several
            for part in body.decode().split("<Key>")[1:]:
                self.buckets[bucket].pop(part.partition("</Key>")[0], None)
            self._answer(200, b"<DeleteResult></DeleteResult>")

    def do_DELETE(self) -> None:
        bucket, key, _ = self._asked()
        self.buckets.get(bucket, {}).pop(key, None)
        self._answer(204)


def _unchunked(line: Any, read: Any) -> bytes:
    """Return the content of chunks, each behind a line with its size."""
    parts = []
    while size := int(line().partition(b";")[0].strip() or b"0", 16):
        parts.append(read(size))
        line()
    return b"".join(parts)
