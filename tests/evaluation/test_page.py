"""The page: its stream, its buttons, and whom it does not answer."""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from lit_a3c.evaluation.controls import SPEEDS, Controls
from lit_a3c.evaluation.page import Page
from lit_a3c.utils.errors import ConfigError
from tests.commands import wait_for

STATUS = {"environment": "CartPole-v1", "step": 3}


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page("127.0.0.1", 0, "runs/<b>", Controls())
    yield page
    page.close()


def ask(page: Page, path: str, method: str = "GET", body: str = "", **headers: str) -> tuple[int, bytes]:
    port = int(page.url.rstrip("/").rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response.status, answer


def picture(colour: int) -> np.ndarray:
    return np.full((32, 48, 3), colour, np.uint8)


class Viewer:
    """Reads the images of a stream."""

    def __init__(self, page: Page) -> None:
        port = int(page.url.rstrip("/").rpartition(":")[2])
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.sendall(b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        self.file = self.socket.makefile("rb")

    def next(self) -> np.ndarray:
        while not (line := self.file.readline()).lower().startswith(b"content-length"):
            assert line, "the stream has ended"
        self.file.readline()
        return np.asarray(Image.open(io.BytesIO(self.file.read(int(line.split()[1])))))

    def leave(self) -> None:
        self.file.close()
        self.socket.close()


def test_viewers_see_the_newest_image_and_may_leave(page: Page) -> None:
    assert not page.is_watched()
    viewers = [Viewer(page), Viewer(page)]
    wait_for(lambda: page.viewers == 2, 10)
    page.show(picture(50), STATUS)
    for viewer in viewers:
        assert viewer.next().mean() == pytest.approx(50, abs=2)
    viewers[0].leave()
    wait_for(lambda: page.viewers == 1, 10)  # while nothing new is shown
    page.show(picture(200), STATUS)
    seen = [viewers[1].next().mean() for _ in range(2)]
    assert seen[-1] == pytest.approx(200, abs=2) or viewers[1].next().mean() == pytest.approx(200, abs=2)
    viewers[1].leave()
    wait_for(lambda: not page.is_watched(), 10)


def test_the_page_and_the_status(page: Page) -> None:
    code, text = ask(page, "/")
    assert code == 200
    assert b"<title>runs/&lt;b&gt; - lit-a3c play</title>" in text
    assert b"http" not in text.replace(b"http-equiv", b"")  # nothing comes from elsewhere
    page.show(picture(1), STATUS)
    status = json.loads(ask(page, "/status")[1])
    assert status == {**STATUS, "paused": False, "speed": 1.0, "viewers": 0}
    assert ask(page, "/../etc/passwd")[0] == 404


def test_the_buttons(page: Page) -> None:
    def press(button: str) -> None:
        assert ask(page, "/control", "POST", json.dumps(button), Content_Type="application/json")[0] == 200

    press("pause")
    assert page.controls.paused
    press("pause")
    press("step")
    assert page.controls.paused
    assert page.controls.single_steps == 1
    for _ in SPEEDS:
        press("faster")
    assert page.controls.speed == SPEEDS[-1]
    press("nothing of this name")


def test_pages_of_others_get_nothing(page: Page) -> None:
    """By a name that points here, by a form, or by a script of another page."""
    for host in ("evil.example", "evil.example:80", "", "127.0.0.1.evil.example"):
        assert ask(page, "/status", Host=host)[0] == 403, host
    for host in ("localhost:5", "127.0.0.1", "[::1]:80", "192.168.0.7"):
        assert ask(page, "/status", Host=host)[0] == 200, host
    assert ask(page, "/control", "POST", '"pause"')[0] == 403
    assert ask(page, "/control", "POST", '"pause"', Content_Type="text/plain")[0] == 403
    json_type = {"Content_Type": "application/json"}
    assert ask(page, "/control", "POST", '"pause"', Origin="http://evil.example", **json_type)[0] == 403
    assert ask(page, "/control", "POST", '"' + 200 * "x" + '"', **json_type)[0] == 413
    assert ask(page, "/control", "PUT", '"pause"', **json_type)[0] == 501
    assert not page.controls.paused


def test_a_port_in_use_is_one_message(page: Page) -> None:
    port = int(page.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(ConfigError, match=rf"^--host 127.0.0.1 --port {port}: Address already in use\.$"):
        Page("127.0.0.1", port, "", Controls())
    with pytest.raises(ConfigError, match=r"--host no\.such\.host\.invalid"):
        Page("no.such.host.invalid", 0, "", Controls())


def test_an_image_comes_again_for_who_is_late(page: Page) -> None:
    page.show(picture(80), STATUS)
    viewer = Viewer(page)
    begin = time.monotonic()
    assert [round(viewer.next().mean()) for _ in range(2)] == [80, 80]
    assert time.monotonic() - begin < 5
    viewer.leave()
