"""A headless Chromium with a face in front of its camera, and the real server.

Where Chromium or playwright is absent these tests are skipped; MIEN_REQUIRE_BROWSER=1 makes that a failure instead.
MIEN_CHROMIUM names the browser's program where it goes by another name.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stream.engine import Engine, open_engine
from tests.stream.running import Running, running
from tests.web.camera_clip import write_camera_clip
from tests.web.visit import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--enable-unsafe-swiftshader",  # WebGL where there is no GPU
)
START_WITHIN_MS = 120_000


def _missing(what: str) -> None:
    if os.environ.get("MIEN_REQUIRE_BROWSER") == "1":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium() -> str:
    named = os.environ.get("MIEN_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        _missing(f"needs a Chromium: none of {', '.join(NAMES)} is there (MIEN_CHROMIUM may name one)")
    assert found is not None
    return found


@pytest.fixture(scope="module")  # while it lives its event loop runs in this thread, where other tests need theirs
def playwright() -> Iterator["Playwright"]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("needs the package playwright, which drives the browser")
    with sync_playwright() as ready:
        yield ready


@pytest.fixture(scope="module")
def browser(playwright: "Playwright", chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Browser"]:
    """Its camera shows a moving face for ever."""
    clip = write_camera_clip(tmp_path_factory.mktemp("camera") / "face.y4m")
    ready = playwright.chromium.launch(
        executable_path=chromium,
        args=[*FLAGS, f"--use-file-for-fake-video-capture={clip}"],
        chromium_sandbox=False,
        timeout=START_WITHIN_MS,
    )
    yield ready
    ready.close()


@pytest.fixture(scope="session")
def engine() -> Engine:
    ready = open_engine("builtin", "mesh", "cpu")
    ready.warm_up()
    return ready


@pytest.fixture(scope="module")
def server(engine: Engine) -> Iterator[Running]:
    with running(engine) as ready:
        yield ready


@pytest.fixture
def visit(browser: "Browser") -> Iterator[Visit]:
    """A fresh visitor; at its end the browser must have had nothing to complain about."""
    guest = Visit(browser)
    yield guest
    guest.leave()
    assert guest.complaints == []


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return tmp_path
