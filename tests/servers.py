"""A web server on this machine in place of one elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve the files of a folder: the address, and the paths that have been asked for."""
    requested: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, *_) -> None:
            requested.append(self.path)

        def log_error(self, *_) -> None:
            pass

    handler = partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", requested
        server.shutdown()
