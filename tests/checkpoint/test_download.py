"""Downloads from a server that does as it likes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lit_a3c.checkpoint import download as module
from lit_a3c.checkpoint.download import download
from lit_a3c.utils.errors import ConfigError

Answer = Callable[[BaseHTTPRequestHandler], None]
Serve = Callable[[Answer], str]
DATA = bytes(range(256)) * 1000


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server on this machine that gives an answer of the test's; its URL."""
    servers = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *_: Any) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/file.ckpt"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, data: bytes, length: int | None = None, code: int = 200) -> None:
    handler.send_response(code)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(data)


def test_a_file_arrives(serve: Serve) -> None:
    assert download(serve(lambda handler: send(handler, DATA, len(DATA)))).read_bytes() == DATA
    assert download(serve(lambda handler: send(handler, DATA))).read_bytes() == DATA  # of a length not said


def test_a_long_url_works(serve: Serve) -> None:
    """Its last part would be too long for the name of a file."""
    url = serve(lambda handler: send(handler, DATA, len(DATA))) + "?signature=" + "x" * 4000
    assert download(url).read_bytes() == DATA


@pytest.mark.parametrize(("code", "reason"), [(404, "404 Not Found"), (500, "500 Internal Server Error"), (403, "403")])
def test_the_servers_refusal_is_shown(serve: Serve, code: int, reason: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot be fetched: the server says {reason}"):
        download(serve(lambda handler: send(handler, b"", 0, code)))


def test_nobody_there_is_said(serve: Serve) -> None:
    with pytest.raises(ConfigError, match="Connection refused"):
        download("http://127.0.0.1:9/x.ckpt")
    with pytest.raises(ConfigError, match="cannot be fetched"):
        download("nosuchscheme://x/y.ckpt")


def test_a_file_that_ends_early_is_refused(serve: Serve) -> None:
    with pytest.raises(ConfigError, match="only 256,000 of 300,000 bytes came"):
        download(serve(lambda handler: send(handler, DATA, 300_000)))


def test_too_much_is_refused_before_and_while_it_comes(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 100_000)
    with pytest.raises(ConfigError, match=r"it has 0\.2 MiB, and at most 0\.1 MiB are taken"):
        download(serve(lambda handler: send(handler, DATA, len(DATA))))

    def endless(handler: BaseHTTPRequestHandler) -> None:
        send(handler, DATA)
        while True:
            handler.wfile.write(DATA)

    with pytest.raises(ConfigError, match=r"more than 0\.1 MiB came"):
        download(serve(endless))


def test_a_silent_and_a_slow_server_are_left(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALL_SECONDS", 0.5)
    done = threading.Event()

    def silent(handler: BaseHTTPRequestHandler) -> None:
        send(handler, DATA)
        done.wait(20)

    def slow(handler: BaseHTTPRequestHandler) -> None:
        send(handler, b"")
        while not done.wait(0.1):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    start = time.monotonic()
    with pytest.raises(ConfigError, match="nothing came"):
        download(serve(silent))
    with pytest.raises(ConfigError, match="bytes came in"):
        download(serve(slow))
    done.set()
    assert time.monotonic() - start < 15


def test_progress_is_shown(serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "REPORT_SECONDS", 0.0)
    download(serve(lambda handler: send(handler, DATA, len(DATA))))
    assert "0.2 MiB of 0.2 MiB from http://127.0.0.1" in capsys.readouterr().err
