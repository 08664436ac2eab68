"""A host of weights files on this machine, with the faults that hosts and networks have."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass
class Host:
    """What it serves, how, and what it was asked."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)  # by path
    ranges: bool = True  # whether it answers a Range with that part
    tagged: bool = True  # whether it sends an ETag
    cut_after: int | None = None  # bytes of an answer after which the connection ends
    cuts_left: int = 1000  # afterwards it is well again
    lengths: bool = True  # whether it says how long an answer is
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Range

    def gets(self) -> list[tuple[str, str]]:
        """Path and Range of each GET."""
        return [(path, wanted) for method, path, wanted in self.asked if method == "GET"]


def content(size: int = 300_000) -> bytes:
    """Begins as an HDF5 file; no two stretches are alike."""
    return HDF5 + b"".join(number.to_bytes(4, "big") for number in range(size // 4))


@contextlib.contextmanager
def serving() -> Iterator[Host]:
    """A host that listens as long as the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(host := Host(url="")))
    host.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        with mock.patch.dict(os.environ, no_proxy="127.0.0.1"):
            yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler_of(host: Host) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            host.asked.append(("HEAD", self.path, ""))
            self.send_error(403)

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            host.asked.append(("GET", self.path, wanted))
            if self.path not in host.files:
                self.send_error(404)
                return
            whole = host.files[self.path]
            tag = f'"{hash(whole):x}"'
            start = 0
            if wanted and host.ranges and self.headers.get("If-Range", tag) == tag:
                start = int(wanted.removeprefix("bytes=").partition("-")[0])
                if start >= len(whole):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
            else:
                self.send_response(200)
            body = whole[start:]
            if host.lengths:
                self.send_header("Content-Length", str(len(body)))
            if host.tagged:
                self.send_header("ETag", tag)
            self.end_headers()
            if host.cut_after is not None and host.cuts_left > 0:
                host.cuts_left -= 1
                body = body[: host.cut_after]
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
