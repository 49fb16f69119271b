"""A person with a browser: opens the page, sees what it says, hears what the server says to it."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, WebSocket

WITHIN_S = 60.0  # a page that shares its cores with a busy machine is slow


class Visit:
    def __init__(self, browser: "Browser", **context: Any) -> None:
        self._context = browser.new_context(**context)
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

    def until(self, true: Callable[[], Any], what: str, within_s: float = WITHIN_S) -> Any:
        end_s = time.monotonic() + within_s
        while not (value := true()):
            assert time.monotonic() < end_s, f"{what}: not within {within_s} s; the page says '{self.status}'"
            self.page.wait_for_timeout(50)
        return value

    def until_status(self, words: str, within_s: float = WITHIN_S) -> None:
        self.until(lambda: self.status == words, f"'{words}'", within_s)

    def until_shown(self, words: str, within_s: float = WITHIN_S) -> None:
        self.page.get_by_text(words).first.wait_for(timeout=1000 * within_s)

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
