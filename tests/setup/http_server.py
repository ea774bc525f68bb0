"""A real HTTP server on this machine's loopback for tests of fetching: each path answers in its own way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"<!DOCTYPE html><html><body>sign in to go on</body></html>"


class Server:
    """Serves ``program`` as ``/tool``; ``asked`` are the paths that were asked for.

    Other paths: ``/unsized`` (the program without a length), ``/moved`` (leads to it), ``/cut`` (half of it), ``/page``
    (HTML), ``/empty``, ``/silent`` (no answer until the end); anything else is not there.
    """

    def __init__(self, program: bytes) -> None:
        self.program = program
        self.asked: list[str] = []
        self.ended = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/{path}"

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        """Answer a request as its path says."""
        content = {"/page": PAGE, "/empty": b""}.get(to.path, self.program)
        if to.path == "/silent":
            self.ended.wait(60)
            return
        if to.path == "/moved":
            to.send_response(302)
            to.send_header("Location", self.address("tool"))
            to.end_headers()
            return
        if to.path not in ("/tool", "/unsized", "/cut", "/page", "/empty"):
            to.send_error(404)
            return
        to.send_response(200)
        if to.path != "/unsized":
            to.send_header("Content-Length", str(len(content)))
        to.end_headers()
        to.wfile.write(content[: len(content) // 2] if to.path == "/cut" else content)


@contextmanager
def serving(program: bytes) -> Iterator[Server]:
    """Serve a program until the block ends."""
    server = Server(program)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.http.shutdown()
        thread.join()
        server.http.server_close()
