"""report.html: one page with everything in it but the video, which lies beside it. No script, nothing from outside."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES
from models.types import State, TrackResult
from render.studio import Shot
from render.studio.film import FPS
from tracker.jobs.benchmarks import truth_metrics as metrics
from tracker.jobs.benchmarks.truth_metrics import Floats, TruthTrack
from tracker.jobs.demo.charts import Chart, Line
from tracker.jobs.demo.numbers import Number, compare, numbers
from tracker.jobs.outputs import write_whole

Picture = NDArray[np.uint8]

STRIP_PX = 480  # how wide a pair of pictures stands in the page
WEIGHTS = ("jawOpen", "mouthPucker", "mouthFunnel", "mouthSmileLeft", "eyeBlinkLeft", "browInnerUp")

STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #66717c; --rule: #dfe4e8; --paper: #fbfcfc; --shade: #eef1f4;
        --true: #8d99a5; --one: #d9480f; --two: #0b7285; --three: #5f3dc4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecef; --soft: #98a4af; --rule: #333c44; --paper: #15191d;
        --shade: #20262c; --true: #7d8a96; --one: #ff8f4f; --two: #4fc9dc; --three: #b197fc; } }
body { margin: 0 auto; padding: 2rem 1.2rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink);
       font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0 1rem; max-width: 46rem; } .soft { color: var(--soft); }
video { width: 100%; border-radius: 8px; display: block; }
.strip { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: .5rem; }
.strip img { width: 100%; border-radius: 6px; display: block; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .6rem; margin: 1rem 0; }
.card { background: var(--shade); border-radius: 8px; padding: .6rem .8rem; }
.card b { display: block; font-size: 1.3rem; }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid var(--rule); padding: .3rem .8rem .3rem 0; }
td.value { white-space: nowrap; font-variant-numeric: tabular-nums; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: .8rem; }
.chart { width: 100%; height: auto; } .grid { stroke: var(--rule); } .shade { fill: var(--shade); }
.tick { fill: var(--soft); font: 11px system-ui, sans-serif; }
.name { fill: var(--ink); font: 600 12px system-ui, sans-serif; }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; } .true { stroke: var(--true); stroke-width: 3.2; }
.one { stroke: var(--one); } .two { stroke: var(--two); } .three { stroke: var(--three); }
"""


@dataclass(frozen=True)
class Story:
    """What a page tells of."""

    title: str
    shots: Sequence[Shot]
    results: Sequence[TrackResult]
    strip: Sequence[Picture]  # RGB
    again: str = "mien demo"  # the command that makes it anew


def write_page(path: Path, story: Story) -> list[Number]:
    """The numbers on it come back."""
    rows = numbers(story.shots, story.results)
    write_whole(path, page(story, rows).encode())
    return rows


def page(story: Story, rows: Sequence[Number]) -> str:
    seconds = len(story.shots) / FPS
    cards = "".join(
        f'<div class="card">{name}<b>{value}</b><span class="soft">{meaning}</span></div>'
        for name, value, meaning in (_cells(row) for row in rows if row.headline)
    )
    table = "".join(
        f'<tr><td>{name}</td><td class="value">{value}</td><td class="soft">{meaning}</td></tr>'
        for name, value, meaning in map(_cells, rows)
    )
    strip = "".join(f'<img alt="" src="{embedded(picture)}">' for picture in story.strip)
    charts = "".join(chart.svg() for chart in draw_charts(story))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(story.title)}</title><style>{STYLE}</style></head><body>
<h1>{escape(story.title)}</h1>
<p class="soft">Nobody you see exists: {seconds:.0f} seconds of a synthetic person, filmed, detected, learned and
followed as a webcam's picture would be, beside what is true of every frame. Left the camera, right the fitted head
over it.</p>
<video src="overlay.mp4" controls loop muted autoplay playsinline></video>
<div class="cards">{cards}</div>
<h2>Frames</h2><div class="strip">{strip}</div>
<h2>Tracked, and true</h2>
<p class="soft">Grey and wide is the truth, coloured what was tracked. While the ground is shaded the person is
still being learned.</p>
<div class="charts">{charts}</div>
<h2>All numbers</h2><table>{table}</table>
<p class="soft">Made by <code>{escape(story.again)}</code>. A synthetic face is easier than people:
<code>mien bench --clips FOLDER</code> measures on videos of your own.</p>
</body></html>
"""


def _cells(row: Number) -> tuple[str, str, str]:
    return escape(row.name), escape(row.text()), escape(row.meaning)


def draw_charts(story: Story) -> list[Chart]:
    track = compare(story.shots, story.results)
    times = np.array([shot.time_s for shot in story.shots])
    settled = next((r.time_s for r in story.results if r.state is State.TRACKING), float(times[-1]))
    true, tracked = metrics.turns(track.rotation), metrics.turns(track.rotation_fit)
    look, look_fit = (gaze_angles(gaze) for gaze in (track.gaze, track.gaze_fit))

    def pair(title: str, a: Floats, b: Floats, unit: str, low: float | None = None, high: float | None = None) -> Chart:
        return Chart(title, times, (Line("true", a, "true"), Line("tracked", b, "one")), unit, low, high, settled)

    turns = [pair(f"head {name}", true[:, k], tracked[:, k], "degrees") for k, name in enumerate(metrics.TURNS)]
    looks = [pair(f"gaze {name}", look[:, k], look_fit[:, k], "degrees") for k, name in enumerate(("yaw", "pitch"))]
    weights = [
        pair(name, track.weights[:, k], track.weights_fit[:, k], "", 0.0, 1.0)
        for name, k in ((name, ARKIT_NAMES.index(name)) for name in WEIGHTS)
    ]
    return [*turns, *looks, *weights, *error_charts(track, story.results, times, settled)]


def error_charts(track: TruthTrack, results: Sequence[TrackResult], times: Floats, settled: float) -> list[Chart]:
    def alone(title: str, values: Floats, unit: str) -> Chart:
        return Chart(title, times, (Line("error", values, "two"),), unit, 0.0, None, settled)

    landmarks = np.array([np.nan if r.error_iod is None else 100 * r.error_iod for r in results], np.float64)
    return [
        alone("head rotation", metrics.rotation_errors(track), "degrees of error"),
        alone("gaze", metrics.gaze_errors(track), "degrees of error"),
        alone("landmarks after taking size and place away", metrics.shape_and_scale(track)[0], "mm of error"),
        alone("landmarks against the detector", landmarks, "% of the distance between the eyes"),
    ]


def gaze_angles(gaze: Floats) -> Floats:
    """Unit directions [T, 3] in the camera frame -> degrees [T, 2]: to the picture's right, and down."""
    return np.asarray(np.degrees(np.stack([np.arctan2(gaze[:, 0], -gaze[:, 2]), np.arcsin(gaze[:, 1])], 1)))


def embedded(picture: Picture) -> str:
    """A picture inside the page's text."""
    height = round(STRIP_PX * picture.shape[0] / picture.shape[1])
    small = cv2.resize(picture, (STRIP_PX, height), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
