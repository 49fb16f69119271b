"""What a person takes along, when it cannot be had, or not any more; and whose head it is."""

import json
from typing import TYPE_CHECKING

from stream.engine import Engine
from stream.protocol import decode_server
from tests.stream.running import Running, running
from tests.web.test_kiosk import LEAVING
from tests.web.visit import Visit

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Route, WebSocketRoute


def toast(visit: Visit) -> str:
    return visit.page.locator("#toast").text_content() or ""


def test_a_recording_outlives_its_session(engine: Engine, visit: Visit, tmp_path: "Path") -> None:
    visit.forgive = lambda complaint: "WebSocket connection" in complaint  # each attempt to come back
    with running(engine) as server:
        visit.open(server.http)
        visit.until_status("Tracking")
        visit.press("Record")
        before = len(visit.of("params"))
        visit.until(lambda: len(visit.of("params")) > before + 5, "parameters to record")
    record = visit.page.locator("#record")
    visit.until(lambda: visit.page.locator("#learn").is_disabled(), "the end of the session")
    record.click()
    visit.page.get_by_role("button", name="JSON lines").wait_for()
    assert record.is_disabled(), "a second recording would take the place of the one in question"
    visit.page.keyboard.press("r")
    with visit.page.expect_download() as download:
        visit.press("JSON lines")
    download.value.save_as(tmp_path / "take.jsonl")
    lines = (tmp_path / "take.jsonl").read_text().splitlines()
    assert sum(decode_server(line).__class__.__name__ == "Params" for line in lines) > 5
    assert record.is_disabled(), "without a session there is nothing to record"


def test_no_head_is_saved_before_there_is_one(server: Running, visit: Visit) -> None:
    visit.forgive = lambda complaint: "503" in complaint or "ERR_FAILED" in complaint  # the browser's own lines
    visit.page.add_init_script(f"globalThis.away = true; {LEAVING}")
    visit.open(server.http)
    visit.until_status("Looking for a face")
    assert visit.page.locator("#head").is_disabled()
    visit.page.evaluate("globalThis.away = false")
    visit.until(lambda: visit.page.locator("#head").is_enabled(), "a head to save")
    asked: list[Route] = []
    visit.page.route("**/head.glb", lambda route: asked.append(route))
    visit.page.locator("#head").dblclick()
    visit.until(lambda: asked, "a request for the head")
    visit.page.wait_for_timeout(300)
    assert len(asked) == 1, "once is enough"
    asked.pop().fulfill(status=503, body="it is busy")
    visit.until(lambda: "it is busy" in toast(visit), "the server's words")
    visit.page.locator("#head").click()
    visit.until(lambda: asked, "another request")
    asked.pop().abort()
    visit.until(lambda: toast(visit) == "The server does not answer.", "plain words")


def is_told_anew(held: list[str]) -> bool:
    """Whether an answer is among these, and a head after it."""
    kinds = [json.loads(message)["type"] for message in held]
    return "pong" in kinds and "identity" in kinds[kinds.index("pong") :]


def test_a_late_word_of_the_head_before_is_not_heeded(server: Running, visit: Visit) -> None:
    """On the wire between page and server: what the server had still sent of the head that is being forgotten."""
    pages: list[WebSocketRoute] = []
    identities: list[str] = []
    held: list[str] | None = None

    def between(page: "WebSocketRoute") -> None:
        onward = page.connect_to_server()
        pages.append(page)

        def says(message: "str | bytes") -> None:
            nonlocal held
            onward.send(message)
            if "re_enroll" in str(message):
                held = []
                page.send(identities[-1])

        def hears(message: "str | bytes") -> None:
            kind = json.loads(message)["type"]
            if kind == "identity":
                identities.append(str(message))
            if held is not None and kind in ("identity", "pong"):
                held.append(str(message))
            else:
                page.send(message)

        page.on_message(says)
        onward.on_message(hears)

    visit.page.route_web_socket("**/session", between)
    visit.open(server.http)
    head = visit.page.locator("#head")
    visit.until(lambda: identities and head.is_enabled(), "a learned head")
    visit.press("Learn again")
    visit.until(lambda: held and is_told_anew(held), "an answer, a new head")
    assert head.is_disabled(), "the head before is no head of the person who is there now"
    late, held = held or [], None
    for message in late:
        pages[0].send(message)
    visit.until(head.is_enabled, "the new head")
