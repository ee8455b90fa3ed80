"""The few routes of the Hugging Face Hub that huggingface_hub needs to upload and to fetch a file, on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_secret"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the server holds, and what it shall do wrong.

    Attributes:
        url: Its address.
        repositories: Files by repository.
        created: Bodies of the requests that make a repository.
        asked: Every request, as ``METHOD PATH``.
        broken: The code with which every request is answered, if any.
        cut: Whether a file is sent without its second half.
        claimed: The size that a file is said to have, if not its own.
    """

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    created: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    broken: int | None = None
    cut: bool = False
    claimed: int | None = None
    objects: dict[str, bytes] = field(default_factory=dict)


@contextmanager
def serving() -> Iterator[Hub]:
    """A Hub, as long as it is needed."""
    hub = Hub()

    class Bound(_Handler):
        server_hub = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_hub: Hub

    def log_message(self, *_: Any) -> None: ...

    def do_HEAD(self) -> None:
        self._file(body=False)

    def do_GET(self) -> None:
        self._file(body=True)

    def do_PUT(self) -> None:
        data = self._body()
        assert hashlib.sha256(data).hexdigest() == self.path.rpartition("/")[2]
        self.server_hub.objects[self.path.rpartition("/")[2]] = data
        self._send(200, b"")

    def do_POST(self) -> None:
        hub, data = self.server_hub, self._body()
        if self._refused():
            return
        path = self.path.partition("?")[0]
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, b'{"error": "Invalid username or password."}')
        elif path == "/api/repos/create":
            hub.created.append(made := json.loads(data))
            name = f"{made['organization']}/{made['name']}"
            hub.repositories.setdefault(name, {})
            self._json({"url": f"{hub.url}/{name}"})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            self._json({"files": [_mode(file["path"]) for file in json.loads(data)["files"]]})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**each, "actions": {"upload": {"href": f"{hub.url}/lfs/{each['oid']}"}}}
                for each in json.loads(data)["objects"]
            ]
            self._json({"transfer": "basic", "objects": objects})
        elif "/commit/" in path:
            self._commit("/".join(path.split("/")[3:5]), data)
        else:
            self._send(404, b"{}")

    def _commit(self, name: str, data: bytes) -> None:
        files = self.server_hub.repositories[name]
        for line in data.decode().splitlines():
            value = (operation := json.loads(line))["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.server_hub.objects[value["oid"]]
        self._json({"success": True, "commitOid": COMMIT, "commitUrl": f"{self.server_hub.url}/{name}/commit/{COMMIT}"})

    def _file(self, *, body: bool) -> None:
        """``/user/agent/resolve/REVISION/FILE``."""
        if self._refused():
            return
        parts = self.path.partition("?")[0].split("/")
        files = self.server_hub.repositories.get("/".join(parts[1:3]))
        if files is None:
            self._missing("RepoNotFound", 401)  # as the Hub does: it does not tell what is private
        elif parts[4] not in ("main", COMMIT):
            self._missing("RevisionNotFound", 404)
        elif parts[5] not in files:
            self._missing("EntryNotFound", 404)
        else:
            self._content(files[parts[5]], body=body)

    def _content(self, data: bytes, *, body: bool) -> None:
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Content-Length", str(self.server_hub.claimed or len(data)))
        if self.server_hub.cut:
            self.send_header("Connection", "close")
        self.end_headers()
        if body:
            self.wfile.write(data[: len(data) // 2] if self.server_hub.cut else data)
            self.close_connection |= self.server_hub.cut

    def _refused(self) -> bool:
        self.server_hub.asked.append(f"{self.command} {self.path}")
        if self.server_hub.broken is not None:
            self._send(self.server_hub.broken, b"{}")
        return self.server_hub.broken is not None

    def _missing(self, code: str, status: int) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _json(self, value: dict[str, Any]) -> None:
        self._send(200, json.dumps(value).encode())

    def _send(self, code: int, data: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _mode(path: str) -> dict[str, Any]:
    large = path.endswith((".safetensors", ".mp4"))
    return {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
