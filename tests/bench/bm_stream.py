"""How near the live server is: measured in headless Chromium, by a barcode in the camera's picture.

python tests/bench/bm_stream.py                         15 seconds, overlay as served
python tests/bench/bm_stream.py --overlay off --seconds 30
python tests/bench/bm_stream.py --soak 10               ten minutes: memory and latency must not grow
python tests/bench/bm_stream.py --only crowd            how many sessions a core carries, without a browser

Browser and server share this machine's cores and clock. Needs playwright and a Chromium (MIEN_CHROMIUM may name it).
The avatar view is off: the page here is `mien.js` alone.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.stream_crowd import ENOUGH_FPS, ramp
from tests.stream.clip import CELL, CELLS, HEIGHT, WIDTH
from tests.web.camera_clip import write_camera_clip
from tests.web.conftest import FLAGS, NAMES

ROOT = Path(__file__).parents[2]
WRAP = 2**32
WARM_UP_MS = 8000  # enrolment is over by then
MOST_GROWN_MB, MOST_LATER_MS = 15, 4  # of a soak's last third against the minutes after its first

# Runs in the page. Keeps when each numbered picture was captured, and when its parameters and its overlay came.
PROBE = """
async ([overlay, cells, cell, width, height]) => {
  const { connect } = await import("/mien.js");
  const seen = (window.seen = { captures: {}, params: {}, overlays: {}, stats: null, state: null, first: null });
  const now = () => performance.timeOrigin + performance.now();
  const canvas = new OffscreenCanvas(cells, 1).getContext("2d", { willReadFrequently: true });
  const number = (picture, scale) => {
    const y = (height - cell / 2) * scale;
    canvas.imageSmoothingEnabled = false;
    canvas.drawImage(picture, 0, y, cells * cell * scale, 1, 0, 0, cells, 1);
    const pixels = canvas.getImageData(0, 0, cells, 1).data;
    return Array.from({ length: cells }, (_, i) => (pixels[4 * i] > 128 ? 1 << i : 0)).reduce((a, b) => a | b);
  };
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width, height, frameRate: 30 } });
  const preview = document.createElement("video");
  Object.assign(preview, { muted: true, srcObject: stream });
  document.body.append(preview);
  await preview.play();
  const look = (_, frame) => {
    const times = (seen.captures[number(preview, preview.videoWidth / width)] ??= []);
    times.push(performance.timeOrigin + frame.captureTime);
    preview.requestVideoFrameCallback(look);
  };
  preview.requestVideoFrameCallback(look);
  await new Promise((done) => setTimeout(done, 1000));
  const clicked = now();
  window.mien = connect({
    url: location.origin,
    video: stream,
    onParams: (params) => {
      seen.first ??= now() - clicked;
      seen.params[params.rtp_time] = now();
    },
    onState: (state) => (seen.state = state.detail),
    onMessage: (message) => message.type === "stats" && (seen.stats = message),
    onOverlay: async (returned) => {
      const track = returned.getVideoTracks()[0];
      const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const time = now();
        seen.overlays[value.metadata().rtpTimestamp] = [time, number(value, value.displayWidth / width)];
        value.close();
      }
    },
  });
  if (overlay) setTimeout(() => window.mien.control({ overlay }), 300);
}
"""
FORGET = "() => Object.assign(window.seen, { captures: {}, params: {}, overlays: {} })"


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`mien serve` as users run it, ready."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = [sys.executable, "mien.py", "serve", "--port", str(port), *options]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "server.log"
        with file.open("wb") as log:  # a pipe that nobody reads would fill, and the server stand still
            program = subprocess.Popen(words, cwd=ROOT, stderr=log)
        try:
            while "Stop with" not in (told := file.read_text()):
                if program.poll() is not None:
                    sys.exit(f"the server did not start:\n{told}")
                time.sleep(0.1)
            yield program, f"http://localhost:{port}"
        finally:
            program.terminate()
            program.wait()


def cpu_ms(program: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
    return 1e3 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(program: subprocess.Popen[bytes]) -> float:
    lines = Path(f"/proc/{program.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def measure(page: Any, program: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
    """What came in a while, and how long after its picture was captured."""
    page.evaluate(FORGET)
    before_ms = cpu_ms(program)
    page.wait_for_timeout(1000 * seconds)
    used_ms = cpu_ms(program) - before_ms
    seen = page.evaluate("() => window.seen")
    params_ms, overlay_ms = latencies(seen)
    frames = len(seen["params"])
    return {
        "params_ms": percentiles(params_ms),
        "overlay_ms": percentiles(overlay_ms),
        "params_per_s": round(frames / seconds, 1),
        "overlays_per_s": round(len(seen["overlays"]) / seconds, 1),
        "dropped_so_far": seen["stats"]["dropped"],
        "first_params_ms": round(seen["first"]),
        "server_cpu_ms_per_frame": round(used_ms / max(frames, 1), 1),
        "server_memory_mb": round(memory_mb(program)),
        "stages_ms": {stage: values["median"] for stage, values in seen["stats"]["stages_ms"].items()},
    }


def latencies(seen: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Parameters are joined to returned frames by RTP time, and these to captures by their number."""
    offset = seen["state"]["overlay_rtp_offset"]
    params_ms, overlay_ms = [], []
    for rtp, (when, number) in seen["overlays"].items():
        # The clip begins again and again, and its numbers with it.
        captured = max((time for time in seen["captures"].get(str(number), []) if time < when), default=None)
        told = seen["params"].get(str((int(rtp) - offset) % WRAP)) if offset is not None else None
        if captured is not None:
            overlay_ms.append(when - captured)
            if told is not None:
                params_ms.append(told - captured)
    return params_ms, overlay_ms


def percentiles(values: list[float]) -> list[float] | None:
    return [round(float(value), 1) for value in np.percentile(values, (50, 95))] if values else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--overlay", default="", help="a mode to ask for; parameters are joined by returned frames")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--soak", type=float, default=0, metavar="MINUTES", help="measure again each minute")
    parser.add_argument("--only", choices=("browser", "crowd"), help="one of the two parts")
    arguments = parser.parse_args()
    taken = [] if arguments.only == "crowd" else in_browser(arguments.overlay, arguments.seconds, arguments.soak)
    if arguments.only != "browser" and not arguments.soak:
        crowd()
    if len(taken) >= 4:
        sys.exit(verdict(taken))


def in_browser(overlay: str, seconds: float, soak_minutes: float) -> list[dict[str, Any]]:
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("MIEN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        sys.exit("needs a Chromium; MIEN_CHROMIUM may name one")
    with tempfile.TemporaryDirectory() as folder, serving() as (program, address), sync_playwright() as playwright:
        camera = write_camera_clip(Path(folder) / "camera.y4m")
        flags = [*FLAGS, f"--use-file-for-fake-video-capture={camera}"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page()
        page.goto(address + "/healthz")  # a page of the right origin with nothing on it
        page.evaluate(PROBE, [overlay, CELLS, CELL, WIDTH, HEIGHT])
        page.wait_for_timeout(WARM_UP_MS)
        taken = []
        for _ in range(max(1, round(soak_minutes))):
            if soak_minutes:
                page.wait_for_timeout(max(0.0, 1000 * (60 - seconds)))
            taken.append(measure(page, program, seconds))
            print(json.dumps(taken[-1]), flush=True)
        browser.close()
    return taken


def crowd() -> None:
    """Sessions at 30 frames a second on one core; what each further one costs in memory."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])  # the server inherits it
    with serving("--max-sessions", "64") as (program, address):
        os.sched_setaffinity(0, cores[1:] or cores)
        loads = asyncio.run(ramp(address, lambda: cpu_ms(program), lambda: memory_mb(program)))
    os.sched_setaffinity(0, cores)
    for load in loads:
        print(json.dumps(vars(load)), flush=True)
    carried = max((load.sessions for load in loads if load.frames_per_s >= ENOUGH_FPS), default=0)
    further_mb = round((loads[-1].memory_mb - loads[0].memory_mb) / max(len(loads) - 1, 1))
    beside = "clients on another" if len(cores) > 1 else "clients on the same"
    print(json.dumps({"sessions_per_core": carried, "further_session_mb": further_mb, "cores": beside}))


def verdict(taken: list[dict[str, Any]]) -> int:
    """Whether the last third is where the minutes after the first were: 0 or 1."""
    third = (len(taken) - 1) // 3
    early, late = taken[1 : 1 + third], taken[-third:]

    def middle(minutes: list[dict[str, Any]], key: str) -> float:
        values = [minute[key][0] if isinstance(minute[key], list) else minute[key] for minute in minutes]
        return float(np.median([value for value in values if value is not None]))

    grown_mb = middle(late, "server_memory_mb") - middle(early, "server_memory_mb")
    later_ms = middle(late, "params_ms") - middle(early, "params_ms")
    steady = grown_mb <= MOST_GROWN_MB and later_ms <= MOST_LATER_MS
    print(f"memory {grown_mb:+.0f} MB, parameters {later_ms:+.1f} ms: {'steady' if steady else 'NOT STEADY'}")
    return 0 if steady else 1


if __name__ == "__main__":
    main()
