"""What the page says, and does, when something is wrong."""

import contextlib
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stream.engine import Engine
from tests.stream.running import Running, held_port, running
from tests.web.visit import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TOKEN = "a-token-for-this-test"
START_WITHIN_S = 300.0  # a busy machine compiles slowly

# Browsers as they are elsewhere: what they answer is theirs, so these stand in for them.
REFUSING = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('refused', '%s'); };"
INSECURE = "Object.defineProperty(globalThis, 'isSecureContext', { value: false });"
NO_UDP = """const accept = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
  return accept.call(this, { type, sdp: sdp.replace(/a=candidate:.*\\r\\n/g, "") });
};"""


@pytest.mark.parametrize(
    ("browser_says", "page_says"),
    [
        (REFUSING % "NotAllowedError", "The camera is blocked"),
        (REFUSING % "NotFoundError", "No camera found"),
        (REFUSING % "NotReadableError", "The camera is busy"),
        (INSECURE, "This page isn’t secure"),
    ],
)
def test_no_camera(server: Running, visit: Visit, browser_says: str, page_says: str) -> None:
    visit.page.add_init_script(browser_says)
    visit.open(server.http)
    visit.until_shown(page_says)
    visit.until_status("No camera")


def test_blocked_udp_is_found_out(server: Running, visit: Visit) -> None:
    visit.page.add_init_script(NO_UDP)
    visit.open(server.http)
    visit.until(lambda: visit.of("answer"), "an answer")
    visit.until_shown("The video can’t get through")


def test_the_token_may_be_pasted(engine: Engine, visit: Visit) -> None:
    with running(engine, token=TOKEN) as server:
        visit.open(server.http)
        visit.until_shown("This server wants its token")
        visit.page.get_by_label("Token").fill(f"{server.http}/#token={TOKEN}")
        visit.press("Open")
        visit.until_status("Tracking")
        assert visit.page.url.endswith(f"#token={TOKEN}")
        visit.leave()


def test_who_comes_second_waits_for_the_place(engine: Engine, visit: Visit, browser: "Browser") -> None:
    with running(engine, max_sessions=1) as server:
        first = Visit(browser)
        first.open(server.http)
        first.until_status("Tracking")
        visit.open(server.http)
        visit.until_status("You are next in the queue")
        first.leave()
        visit.until_status("Tracking")
        visit.leave()


def test_an_unplugged_camera_comes_back(server: Running, visit: Visit) -> None:
    visit.page.add_init_script("""const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wishes) => (globalThis.camera = await open(wishes));""")
    visit.open(server.http)
    visit.until_status("Tracking")
    visit.page.evaluate("camera.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
    visit.until_shown("The camera is gone")
    before = len(visit.of("params"))
    visit.page.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    visit.until_status("Tracking")
    visit.until(lambda: len(visit.of("params")) > before + 5, "parameters of the new camera's frames")
    assert len({welcome["session"] for welcome in visit.of("welcome")}) == 1, "another camera needs no other session"


def test_a_server_that_is_starting_is_waited_for(engine: Engine, visit: Visit) -> None:
    with running(engine) as server:
        warm, server.service.hub = server.service.hub, None
        visit.open(server.http)
        visit.until_shown("The server is starting")
        server.service.hub = warm
        visit.until_status("Tracking")
        visit.leave()


def test_the_page_comes_back_after_a_killed_server(visit: Visit, tmp_path: Path) -> None:
    visit.forgive = lambda complaint: "WebSocket connection" in complaint  # the browser's own line for each attempt
    with held_port() as port:
        address = f"http://127.0.0.1:{port}"
        with _serving(port, tmp_path) as killed:
            visit.until(lambda: _ready(address), "a server", START_WITHIN_S)
            visit.open(f"{address}/?kiosk")
            visit.until_status("Tracking")
            os.kill(killed.pid, signal.SIGKILL)
            killed.wait()
            visit.until_status("Connection lost, coming back")
        before = len(visit.of("welcome"))
        with _serving(port, tmp_path):
            visit.until(lambda: len(visit.of("welcome")) > before, "a welcome of the new server", START_WITHIN_S)
            visit.until_status("Tracking")


@contextlib.contextmanager
def _serving(port: int, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    words = [sys.executable, "mien.py", "serve", "--port", str(port)]
    file = folder / "server.log"
    with file.open("wb") as log:
        program = subprocess.Popen(words, cwd=Path(__file__).parents[2], stdout=log, stderr=log)
    try:
        yield program
    finally:
        program.kill()
        program.wait()
        print(file.read_text())


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
