"""The page in Firefox: what it has works, what it lacks is not shown. Skipped where there is no Firefox."""

import base64
import os
import shutil
import time
from collections.abc import Callable, Iterator

import cv2
import pytest

from stream.protocol import Params, Welcome, decode_server
from tests.stream.clip import clip
from tests.stream.running import Running
from tests.stream.test_downloads import check_glb
from tests.web.firefox import Firefox, firefox

NAMES = ("firefox", "firefox-esr")

# Addresses are told only to who may have the camera: so it is opened, a pattern, and then a face is put over it.
CAMERA = """
if (navigator.mediaDevices) {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wishes) => {
    await open(wishes);
    const face = Object.assign(new Image(), { src: "data:image/jpeg;base64,FACE" });
    await face.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
    const pen = canvas.getContext("2d");
    setInterval(() => {
      const step = 8 * Math.sin(performance.now() / 400);
      pen.fillRect(0, 0, 640, 480);
      if (!globalThis.away) pen.drawImage(face, step, step);
    }, 33);
    return canvas.captureStream(30);
  };
}"""
STATUS = "document.getElementById('status').innerText"
PRESS = "document.getElementById('{}').click()"


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    program = os.environ.get("MIEN_FIREFOX") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"needs a Firefox: none of {', '.join(NAMES)} is there (MIEN_FIREFOX may name one)")
    profile = tmp_path_factory.mktemp("firefox")
    with firefox(program, profile) as ready:
        _, face = cv2.imencode(".jpg", clip()[0][:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        ready.before_each_page(CAMERA.replace("FACE", base64.b64encode(face.tobytes()).decode()))
        yield ready


def enter(guest: Firefox, address: str) -> None:
    start = "document.querySelector('#cover[data-kind=start] button')"
    guest.open(address)
    guest.until(f"{start} !== null")  # the page first asks whether it has the camera already
    guest.ask(f"{start}.click()")
    guest.until(STATUS, lambda words: words == "Tracking")


def test_a_visitor_with_firefox_is_tracked(server: Running, guest: Firefox) -> None:
    enter(guest, server.http)
    guest.until("document.querySelector('#overlay-pane').hasAttribute('data-shown')")
    smile = "document.querySelector('#bars section:not(:first-child) [aria-label=\"mouth smile\"]')"
    guest.until(f"{smile}.getAttribute('aria-valuenow')", lambda value: int(value or 0) > 10)
    shown = guest.ask("document.getElementById('latency').checkVisibility()")
    assert not shown, "Firefox does not tell when a frame was captured"
    guest.until("!document.getElementById('head').disabled")
    saved = downloaded(guest, ".glb", lambda: guest.ask(PRESS.format("head")))
    check_glb(saved)
    guest.ask(PRESS.format("record"))
    guest.until("Number(document.querySelector('#recording span').innerText.split(':')[1])")
    guest.ask(PRESS.format("record"))
    lines = downloaded(guest, ".jsonl", lambda: guest.ask(PRESS.format("take-jsonl"))).decode().splitlines()
    messages = [decode_server(line) for line in lines]
    assert isinstance(messages[0], Welcome)
    assert any(isinstance(message, Params) for message in messages)
    assert guest.complaints == []


def test_a_kiosk_in_firefox_forgets_who_has_left(server: Running, guest: Firefox) -> None:
    attracts = "document.body.hasAttribute('data-attract')"
    guest.open(f"{server.http}/?kiosk")
    guest.until(STATUS, lambda words: words == "Tracking")
    guest.until(f"!{attracts}")
    guest.ask("globalThis.away = true")
    guest.until(attracts)
    guest.ask("globalThis.away = false")
    guest.until(f"!{attracts}")
    guest.until(STATUS, lambda words: words == "Tracking")
    assert guest.complaints == []


def downloaded(guest: Firefox, ending: str, ask: Callable[[], object]) -> bytes:
    """The file that this brings, once it is whole: until then one that ends with `.part` stands beside it."""
    for file in guest.downloads.iterdir():
        file.unlink()
    ask()
    end_s = time.monotonic() + 90
    while not ((files := list(guest.downloads.iterdir())) and all(file.suffix == ending for file in files)):
        assert time.monotonic() < end_s, f"expected a file that ends with {ending}, got {files}"
        time.sleep(0.1)
    return files[0].read_bytes()
