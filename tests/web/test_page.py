"""The page in a real browser against the real server: from the camera to bars, overlay and files."""

import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stream.engine import Engine
from stream.follow import Recording
from stream.protocol import Params, Welcome, decode_server
from tests.stream.running import Running, running
from tests.web.visit import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_a_visitor_is_tracked_and_sees_it(server: Running, visit: Visit) -> None:
    visit.open(server.http)
    visit.until_status("Tracking")
    visit.page.wait_for_selector("#overlay-pane[data-shown]")
    visit.until(lambda: float(visit.page.inner_text("#fps").replace("–", "0")) > 0, "frames per second")
    assert 1 < visit.until(lambda: latency_ms(visit) or too_slow(visit), "latency") < 60_000
    assert visit.page.locator("#bars section:not(:first-child) .bar").count() == 32  # 52, where a pair shares a row
    smile = visit.page.locator("#bars [role=meter][aria-label='mouth smile']").last
    visit.until(lambda: int(smile.get_attribute("aria-valuenow") or 0) > 10, "the smile of the picture")
    visit.until(lambda: visit.page.inner_text("#head-away").endswith(" cm"), "the distance")


def latency_ms(visit: Visit) -> float | None:
    text = visit.page.inner_text("#latency").replace("–", "")
    return float(text) if text else None


def too_slow(visit: Visit) -> float | None:
    """A machine that cannot keep up shows the page too few of the camera's frames to measure by."""
    rates = [stats["tracked_fps"] for stats in visit.of("stats")[-10:]]
    return 1000.0 if len(rates) == 10 and np.median(rates) < 25 else None


def test_overlay_mode_layout_and_mirror_follow_the_buttons(server: Running, visit: Visit) -> None:
    visit.open(server.http)
    overlay = visit.page.locator("#overlay-pane")
    visit.page.wait_for_selector("#overlay-pane[data-shown]")
    visit.page.get_by_role("radio", name="Off").click()
    visit.until(lambda: visit.of("state")[-1]["overlay"] == "off", "the server's word that the overlay is off")
    visit.until(lambda: overlay.get_attribute("data-shown") is None, "no overlay")
    visit.page.keyboard.press("o")
    visit.until(lambda: visit.of("state")[-1]["overlay"] != "off", "the overlay again")
    visit.page.wait_for_selector("#overlay-pane[data-shown]")
    visit.page.get_by_role("radio", name="side by side").click()
    assert visit.page.locator("#stage").get_attribute("data-layout") == "side"
    visit.press("Mirror the picture")
    assert visit.page.locator("#mirror").get_attribute("aria-pressed") == "false"
    visit.page.reload()
    visit.page.wait_for_selector("#stage[data-layout=side]")  # a choice outlasts a reload


def test_a_reload_goes_on_with_the_learned_head(engine: Engine, visit: Visit) -> None:
    with running(engine) as server:
        server.limit(hold_s=60)  # a busy machine reloads slowly
        visit.open(server.http)
        visit.until_status("Tracking")
        before = len(visit.of("welcome"))
        visit.page.reload()
        visit.until(lambda: len(visit.of("welcome")) > before, "a second welcome")
        first, second = visit.of("welcome")[0], visit.of("welcome")[-1]
        assert second["resumed"]
        assert second["session"] == first["session"]
        visit.until_status("Tracking")
        visit.leave()


def test_learn_again_forgets_the_head(server: Running, visit: Visit) -> None:
    visit.open(server.http)
    visit.until_status("Tracking")
    before = len(visit.heard)
    visit.press("Learn again")
    visit.until(
        lambda: any(m["type"] == "state" and m["state"] == "ENROLLING" for m in visit.heard[before:]), "learning anew"
    )
    visit.until_status("Tracking")


def record(visit: Visit, form: str, file: Path) -> Path:
    visit.press("Record")
    before = len(visit.of("params"))
    visit.until(lambda: len(visit.of("params")) >= before + 10, "parameters to record")
    visit.press("Stop")
    with visit.page.expect_download() as download:
        visit.press(form)
    download.value.save_as(file)
    return file


def test_a_recording_holds_what_the_server_said(server: Running, visit: Visit, tmp_path: Path) -> None:
    visit.open(server.http)
    visit.until_status("Tracking")
    lines = record(visit, "JSON lines", tmp_path / "take.jsonl").read_text().splitlines()
    messages = [decode_server(line) for line in lines]
    welcome = messages[0]
    assert isinstance(welcome, Welcome)
    assert welcome.resume is None, "the secret of a session must not be in a file to pass on"
    params = [message for message in messages if isinstance(message, Params)]
    assert len(params) >= 5
    assert [m.index for m in params] == sorted({m.index for m in params})


def test_a_recording_for_numpy_is_as_mien_watch_writes_it(server: Running, visit: Visit, tmp_path: Path) -> None:
    visit.open(server.http)
    visit.until(lambda: followed_frames(visit), "a face's parameters")
    with np.load(record(visit, "NumPy", tmp_path / "take.npz"), allow_pickle=False) as take:
        theirs = Recording()
        revisions = [m for m in visit.of("identity") if np.allclose(m["shape"], take["identity"], atol=1e-6)]
        frames = [m for m in visit.of("params") if m["index"] in take["frame"]]
        for message in [*visit.of("welcome")[-1:], *revisions[-1:], *frames]:
            theirs.take(decode_server(json.dumps(message)))
        expected = theirs.arrays()
        assert set(take) == set(expected)
        for name, array in expected.items():
            assert take[name].dtype == array.dtype, name
            if array.dtype.kind == "f":
                np.testing.assert_allclose(take[name], array, rtol=1e-5, atol=1e-6, err_msg=name)
            else:
                np.testing.assert_array_equal(take[name], array, err_msg=name)


def test_closing_the_tab_frees_the_session(server: Running, visit: Visit) -> None:
    visit.open(server.http)
    visit.until_status("Tracking")
    session = visit.of("welcome")[0]["session"]
    visit.leave()
    end_s = time.monotonic() + 100  # the video's connection alone would go on for longer: PATIENT in running.py
    while server.hub.find(session) is not None and time.monotonic() < end_s:
        time.sleep(0.05)
    assert server.hub.find(session) is None


def followed_frames(guest: Visit) -> list[dict[str, Any]]:
    """Beyond the first ten."""
    return [params for params in guest.of("params") if params["camera"]][10:]


def test_two_browsers_at_once(server: Running, visit: Visit, browser: "Browser") -> None:
    visit.open(server.http)
    other = Visit(browser)
    other.open(server.http)
    try:
        for guest in (visit, other):
            guest.until(partial(followed_frames, guest), "a face's parameters")
        assert visit.of("welcome")[0]["session"] != other.of("welcome")[0]["session"]
    finally:
        other.leave()


def test_the_module_alone_serves_another_page(server: Running, visit: Visit) -> None:
    """What mien.js promises to those who import it; each returned frame joins to its parameters."""
    visit.forgive = lambda complaint: "favicon.ico" in complaint  # a bare page of the server's has none
    visit.open(f"{server.http}/healthz")
    result = visit.page.evaluate(CONNECT)
    known = set(result["rtpTimes"])
    joined = [(rtp - result["offset"]) % (1 << 32) in known for rtp in result["returned"]]
    assert sum(joined) >= 10, f"{sum(joined)} of {len(joined)}"
    steps = [phase for phase in result["phases"] if phase in ("connecting", "starting", "live", "ended")]
    assert (steps[:3], steps[-1]) == (["connecting", "starting", "live"], "ended")
    assert result["watch"].startswith(f"{server.http}/watch/")


CONNECT = """async () => {
  const { connect } = await import("/mien.js");
  const video = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
  const rtpTimes = [], returned = [], phases = [];
  const element = document.body.appendChild(document.createElement("video"));
  element.muted = true;
  const look = (now, frame) => {
    if (frame.rtpTimestamp !== undefined && rtpTimes.length > 3) returned.push(frame.rtpTimestamp);
    element.requestVideoFrameCallback(look);
  };
  element.requestVideoFrameCallback(look);
  const mien = connect({
    video,
    onParams: (params) => rtpTimes.push(params.rtp_time),
    onState: ({ phase }) => phases.at(-1) !== phase && phases.push(phase),
    onOverlay: (stream) => { element.srcObject = stream; element.play(); },
  });
  let offset = null;
  const joined = () => returned.filter((rtp) => rtpTimes.includes((rtp - offset + 2 ** 32) % 2 ** 32)).length;
  while ((offset === null || joined() < 12) && performance.now() < 90_000) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    offset = mien.state.detail?.overlay_rtp_offset ?? null;
  }
  const watch = await mien.watchAddress();
  mien.close();
  return { rtpTimes, returned, phases, offset, watch };
}"""
