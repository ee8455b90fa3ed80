"""A page in the browser that shows an agent: one HTML file, an endless series of JPEG images, and a few buttons.

Imports nothing heavy: the page is there before torch is.
"""

from __future__ import annotations

import contextlib
import html
import io
import ipaddress
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import TYPE_CHECKING, Any

from lit_a3c.utils.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

BOUNDARY = b"frame"
AGAIN_SECONDS = 1.0
"""An image is sent again when no other has come for so long. That is how a viewer is noticed who has gone away."""
MAX_BODY = 100
"""Bytes of the largest request."""
JPEG_QUALITY = 85
POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "frame-ancestors 'none'"
)
"""Nothing comes from elsewhere, and no other page frames this one, whose buttons could then be clicked unseen."""


class Page:
    """The server, in threads of its own. Any number of viewers see the same images.

    Args:
        host: Address to listen on.
        port: 0 takes a free one.
        title: Of the page.
        controls: What the buttons change.

    Raises:
        ConfigError: The port is in use, or there is no such address.
    """

    tick: float | None = None

    def __init__(self, host: str, port: int, title: str, controls: Any) -> None:
        self.controls, self.host = controls, host
        self.html = page_text(title).encode()
        self.viewers = 0
        self._news = threading.Condition()
        self._image: np.ndarray | None = None
        self._jpeg: bytes | None = None
        self._number, self._status = 0, {"state": "loading"}
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        kind = type("_Server", (ThreadingHTTPServer,), {"address_family": family, "page": self})
        try:
            self._server = kind((host, port), _Handler)
        except OSError as error:
            raise ConfigError(f"--host {host} --port {port}: {error.strerror or error}.") from error
        except OverflowError as error:
            raise ConfigError(f"--port {port} must be at most 65535.") from error
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self._server.server_address[1]}/"

    def show(self, image: np.ndarray, status: dict[str, Any]) -> None:
        with self._news:
            self._image, self._jpeg, self._number = image, None, self._number + 1
            self._status = status
            self._news.notify_all()

    def poll(self) -> None:
        """The buttons reach the controls by themselves."""

    def is_watched(self) -> bool:
        return self.viewers > 0

    def status(self) -> dict[str, Any]:
        """What stands beside the image."""
        return self._status | {"paused": self.controls.paused, "speed": self.controls.speed, "viewers": self.viewers}

    def next_image(self, seen: int) -> tuple[int, bytes]:
        """The newest image and its number; the same again where there is no newer one for a while.

        Args:
            seen: Number of the one that the viewer has.
        """
        with self._news:
            self._news.wait_for(lambda: self._number > seen, AGAIN_SECONDS)
            if self._jpeg is None and self._image is not None:
                self._jpeg = encoded(self._image)
            return self._number, self._jpeg or b""

    @contextlib.contextmanager
    def viewer(self) -> Any:
        """Counts a viewer."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self.controls.changed:
            self.viewers += change
            self.controls.changed.notify_all()

    def close(self) -> None:
        """Listen no longer."""
        self._server.shutdown()
        self._server.server_close()

    def is_own_name(self, host: str) -> bool:
        """Whether a ``Host`` header is one by which this server can be meant.

        A page of a stranger can let its own name point to this machine, and then read what is here. Its requests still
        carry that name. Numbers and ``localhost`` cannot be made to point elsewhere.
        """
        name = host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
        if name.lower() in ("localhost", self.host.lower(), socket.gethostname().lower()):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30  # for a client that sends nothing or takes nothing

    @property
    def page(self) -> Page:
        page: Page = self.server.page  # type: ignore[attr-defined]
        return page

    def do_GET(self) -> None:
        if not self._is_for_us():
            return
        match self.path.partition("?")[0]:
            case "/":
                self._answer(self.page.html, "text/html; charset=utf-8")
            case "/status":
                self._answer(json.dumps(self.page.status()).encode(), "application/json")
            case "/stream":
                self._stream()
            case _:
                self.send_error(404)

    def do_POST(self) -> None:
        if not self._is_for_us():
            return
        self.close_connection = True
        length = self.headers.get("Content-Length", "")
        origin = self.headers.get("Origin")
        own = origin is None or origin == f"http://{self.headers['Host']}"
        # A form of another page cannot send this type without asking first.
        if self.path != "/control" or self.headers.get("Content-Type") != "application/json" or not own:
            self.send_error(403)
        elif not length.isdecimal() or int(length) > MAX_BODY:
            self.send_error(413)
        else:
            with contextlib.suppress(ValueError):
                self.page.controls.apply(str(json.loads(self.rfile.read(int(length)))))
            self._answer(b"{}", "application/json")

    def _is_for_us(self) -> bool:
        if self.page.is_own_name(self.headers.get("Host", "")):
            return True
        self.close_connection = True
        self.send_error(403, "the Host header names another machine")
        return False

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self._end_headers()
        self.wfile.write(body)

    def _end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()

    def _stream(self) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY.decode()}")
        self._end_headers()
        number = 0
        with self.page.viewer(), contextlib.suppress(OSError):  # the viewer has gone away
            self.wfile.write(b"--" + BOUNDARY + b"\r\n")
            while True:
                number, image = self.page.next_image(number)
                if image:
                    head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(image)
                    # Browsers show an image when the boundary behind it has come.
                    self.wfile.write(head + image + b"\r\n--" + BOUNDARY + b"\r\n")

    def log_message(self, *_: Any) -> None:
        """Nothing: requests are no news."""


def encoded(image: np.ndarray) -> bytes:
    """An image as JPEG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def page_text(title: str) -> str:
    """The page."""
    text = (resources.files("lit_a3c.evaluation") / "page.html").read_text(encoding="utf-8")
    return text.replace("{{title}}", html.escape(title))
