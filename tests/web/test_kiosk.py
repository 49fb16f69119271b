"""Kiosk mode: attracts while nobody is there, forgets who has left, never stays down."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from tests.stream.running import Running
from tests.web.camera_clip import write_empty_room
from tests.web.conftest import FLAGS, START_WITHIN_MS
from tests.web.visit import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Playwright, Route

# The browser's camera through a canvas, so that a person can leave: `away` shows an empty room instead.
LEAVING = """const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wishes) => {
  const seen = Object.assign(document.createElement("video"), { muted: true, srcObject: await open(wishes) });
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
  const pen = canvas.getContext("2d");
  await seen.play();
  setInterval(() => {
    if (globalThis.away) pen.fillRect(0, 0, 640, 480);
    else pen.drawImage(seen, 0, 0, 640, 480);
  }, 33);
  return canvas.captureStream(30);
};"""


def test_it_forgets_who_has_left_and_learns_the_next(server: Running, visit: Visit) -> None:
    visit.page.add_init_script(LEAVING)
    visit.open(f"{server.http}/?kiosk")
    visit.until_status("Tracking")
    assert not visit.page.locator(".controls").is_visible()
    visit.page.wait_for_selector("body:not([data-attract])")
    visit.page.evaluate("globalThis.away = true")
    visit.page.wait_for_selector("body[data-attract]")
    visit.until(lambda: any(message.get("forget") for message in visit.said), "the wish to forget")
    visit.page.evaluate("globalThis.away = false")
    visit.page.wait_for_selector("body:not([data-attract])")
    visit.until_status("Tracking")


def test_it_attracts_in_an_empty_room(server: Running, playwright: "Playwright", chromium: str, tmp_path: Path) -> None:
    room = write_empty_room(tmp_path / "room.y4m")
    flags = [*FLAGS, f"--use-file-for-fake-video-capture={room}"]
    empty = playwright.chromium.launch(
        executable_path=chromium, args=flags, chromium_sandbox=False, timeout=START_WITHIN_MS
    )
    with contextlib.closing(empty):
        visit = Visit(empty)
        visit.open(f"{server.http}/?kiosk")
        visit.until(lambda: visit.of("params"), "parameters")
        assert all(message["camera"] is None for message in visit.of("params"))
        visit.page.wait_for_selector("body[data-attract]")
        visit.until_shown("Show me your face")
    assert visit.complaints == []


def test_a_page_that_fails_begins_anew_when_the_server_is_there(server: Running, visit: Visit) -> None:
    visit.forgive = lambda complaint: "ERR_FAILED" in complaint or "our own" in complaint
    refused: list[str] = []
    away = True

    def answer(route: "Route") -> None:
        if away:
            refused.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    visit.page.route("**/healthz", answer)
    visit.open(f"{server.http}/?kiosk")
    visit.page.evaluate("setTimeout(() => { globalThis.failed = true; throw new Error('our own'); })")
    visit.until(lambda: refused, "a look for the server")
    assert visit.page.evaluate("globalThis.failed"), "without a server there is no page to go on from"
    with visit.page.expect_event("load"):
        away = False
    visit.until_status("Tracking")
