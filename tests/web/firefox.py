"""Firefox without a window, driven by WebDriver BiDi, which it speaks by itself over a WebSocket."""

import contextlib
import itertools
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

START_WITHIN_S = 120.0
ANSWER_WITHIN_S = 100.0

PREFERENCES = {
    "media.navigator.permission.disabled": True,  # the camera without asking
    "media.peerconnection.ice.obfuscate_host_addresses": False,  # needs multicast DNS, which a bare machine lacks
    "media.navigator.streams.fake": True,
    "browser.download.always_ask_before_handling_new_types": False,
    "browser.download.folderList": 2,  # the folder that is named
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.normandy.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "remote.prefs.recommended": True,
}


class Firefox:
    """One tab."""

    def __init__(self, socket: ClientConnection, downloads: Path) -> None:
        self._socket = socket
        self.downloads = downloads
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []
        self.do("session.new", capabilities={})
        self.do("session.subscribe", events=["log.entryAdded"])
        self.tab: str = self.do("browsingContext.getTree")["contexts"][0]["context"]

    def do(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=ANSWER_WITHIN_S))
            if message["type"] == "event":
                self._note(message["params"])
            elif message["id"] == number:
                assert message["type"] == "success", f"{method}: {message}"
                result: dict[str, Any] = message["result"]
                return result

    def _note(self, entry: dict[str, Any]) -> None:
        if entry.get("level") in ("error", "warn"):
            self.complaints.append(f"{entry['level']}: {entry['text']}")

    def before_each_page(self, script: str) -> None:
        self.do("script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}")

    def open(self, address: str) -> None:
        self.do("browsingContext.navigate", context=self.tab, url=address, wait="complete")

    def ask(self, expression: str) -> Any:
        """What it is in the page; it may be a promise."""
        answer = self.do(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})) ?? 'null')()",
            target={"context": self.tab},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def until(self, expression: str, true: Callable[[Any], Any] = bool, within_s: float = ANSWER_WITHIN_S) -> Any:
        end_s = time.monotonic() + within_s
        while not true(value := self.ask(expression)):
            assert time.monotonic() < end_s, (
                f"{expression}: {value!r} for {within_s:.0f} s; complaints {self.complaints}; "
                f"the page says {self.ask('document.body.innerText')!r}"
            )
            time.sleep(0.1)
        return value


@contextlib.contextmanager
def firefox(program: str, profile: Path) -> Iterator[Firefox]:
    downloads = profile / "downloads"
    downloads.mkdir()
    preferences = {**PREFERENCES, "browser.download.dir": str(downloads)}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    log = profile / "firefox.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        address = f"{_address(log, process)}/session"
        with connect(
            address, open_timeout=START_WITHIN_S, ping_interval=None, max_size=None, compression=None
        ) as socket:
            yield Firefox(socket, downloads)
    finally:
        process.kill()  # nothing of the profile is wanted any more
        process.wait()


def _address(log: Path, process: "subprocess.Popen[bytes]") -> str:
    end_s = time.monotonic() + START_WITHIN_S
    while not (found := re.search(r"WebDriver BiDi listening on (ws://\S+)", log.read_text(errors="replace"))):
        assert process.poll() is None, f"Firefox ended: {log.read_text(errors='replace')}"
        assert time.monotonic() < end_s, f"Firefox did not get ready: {log.read_text(errors='replace')}"
        time.sleep(0.05)
    return found[1]
