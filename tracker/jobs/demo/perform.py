"""A synthetic person is filmed, and every picture goes through detector, tracker and overlay as a webcam's would."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.head import Head
from models.library import load_head
from models.types import Frame, MienError, TrackResult
from render.overlay import OverlayRenderer
from render.studio import Shot, Stage, film, random_person, random_stage
from render.studio.film import FPS
from render.studio.portrait import Portrait
from render.studio.speech import speaking
from tracker.jobs.demo.report import Story, write_page
from tracker.jobs.outputs import output_folder
from tracker.jobs.overlay_video import OverlayVideo
from tracker.jobs.progress import progress_bar
from tracker.tracker import HeadTracker

Picture = NDArray[np.uint8]

FRAMES, QUICK_FRAMES = 240, 90
FACE_PX = 230.0  # how high the face stands in the picture
LOWER_M = 0.022  # than the middle, so that hair has room above
TURN_DEGREES = 16.0
STRIP = 6  # frames shown in the report


def demo(output: Path, seed: int, quick: bool = False) -> None:
    """Writes overlay.mp4 and report.html into the folder."""
    if not 0 <= seed < 1 << 32:
        raise MienError(f"expected --seed to be a number from 0 on, below 2**32, got {seed}")
    folder = output_folder(output)
    page = folder / "report.html"
    page.unlink(missing_ok=True)  # an earlier run's never stays beside another video
    frames = QUICK_FRAMES if quick else FRAMES
    with progress_bar("filming and tracking", "frames") as tell:
        tell(0, frames)
        head = load_head()
        story = perform(folder / "overlay.mp4", head, play(head, seed, frames), frames, tell)
    story = replace(story, again=f"mien demo --seed {seed}" + (" --quick" if quick else ""))
    for row in write_page(page, story):
        if row.headline:
            print(f"{row.name}: {row.text()}")
    print(f"{folder / 'overlay.mp4'} and {page}: open them in a browser")


def perform(video: Path, head: Head, clip: Iterable[Shot], frames: int, tell: Callable[[int, int], None]) -> Story:
    """`clip` has so many frames, all of one size."""
    tracker = HeadTracker(head)
    renderer = OverlayRenderer(head)
    shots: list[Shot] = []
    results: list[TrackResult] = []
    strip: list[Picture] = []
    shown = {round((k + 0.5) * frames / STRIP) for k in range(STRIP)}
    try:
        with OverlayVideo(video, None, FPS) as overlay:
            for shot in clip:
                result = tracker.step(Frame(shot.image, shot.time_s, shot.index))
                drawn = renderer.draw(shot.image, result, tracker.identity, "mesh")
                both = np.concatenate([shot.image, drawn], 1)
                overlay.add(both, shot.time_s)
                if shot.index in shown:
                    strip.append(both)
                shots.append(replace(shot, image=np.zeros((0, 0, 3), np.uint8)))
                results.append(result)
                tell(len(shots), frames)
    finally:
        tracker.close()
    if overlay.error:
        raise MienError(f"{video}: could not be written: {overlay.error}") from overlay.error
    return Story("A synthetic person, tracked", shots, results, strip)


def play(head: Head, seed: int, frames: int) -> Iterator[Shot]:
    person, stage = random_person(head, seed), stage_of(seed)
    motion = speaking(frames, seed, turn_degrees=TURN_DEGREES)
    return film(head, person, stage, motion, maker=Portrait(head, person, stage))


def stage_of(seed: int) -> Stage:
    stage = random_stage(seed, face_px=FACE_PX)
    x, _, z = stage.position_m
    return replace(stage, position_m=(x, LOWER_M, z))
