"""A person with a browser: opens the page, sees what it says, hears what the server says to it."""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, WebSocket

PATIENCE_S = 100.0  # for what must come: a page that shares its cores with a busy machine is slow


class Visit:
    def __init__(self, browser: "Browser", **context: Any) -> None:
        self._context = browser.new_context(**context)
        self._context.set_default_timeout(1000 * PATIENCE_S)
        self.page = self._context.new_page()
        self.heard: list[dict[str, Any]] = []
        self.said: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        self.forgive: Callable[[str], bool] = lambda complaint: False
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self._complain(f"uncaught: {error}"))
        self.page.on("websocket", self._listen)

    def open(self, address: str) -> None:
        self.page.goto(address)

    def leave(self) -> None:
        self._context.close()

    @property
    def status(self) -> str:
        return self.page.inner_text("#status")

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.heard if message["type"] == kind]

    def until(self, true: Callable[[], Any], what: str, within_s: float = PATIENCE_S) -> Any:
        end_s = time.monotonic() + within_s
        while not (value := true()):
            assert time.monotonic() < end_s, f"{what}: not within {within_s:.0f} s; {self.told()}"
            self.page.wait_for_timeout(50)
        return value

    def told(self) -> str:
        """What has come so far, for a failure's message."""
        kinds = Counter(message["type"] for message in self.heard)
        last = [message for kind in ("state", "stats", "error", "bye") for message in self.of(kind)[-1:]]
        text = ""
        with contextlib.suppress(Exception):  # a page that is gone says nothing
            text = self.page.locator("body").inner_text(timeout=1000)
        return f"messages {dict(kinds)}, last {last}, complaints {self.complaints}, the page says {text!r}"

    def until_status(self, words: str) -> None:
        self.until(lambda: self.status == words, f"'{words}'")

    def until_shown(self, words: str) -> None:
        self.page.get_by_text(words).first.wait_for()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).click()

    def _listen(self, socket: "WebSocket") -> None:
        socket.on("framereceived", lambda text: self.heard.append(json.loads(text)))
        socket.on("framesent", lambda text: self.said.append(json.loads(text)))

    def _console(self, message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning"):
            self._complain(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _complain(self, complaint: str) -> None:
        if not self.forgive(complaint):
            self.complaints.append(complaint)
