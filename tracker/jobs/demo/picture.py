"""The README's moving picture: the demo's person beside the fitted head, again and again without a seam.

python -m tracker.jobs.demo.picture docs/demo.webp
"""

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.library import load_head
from models.types import Frame, Identity
from render.overlay import OverlayRenderer
from render.studio import Shot, film, random_person
from render.studio.film import FPS
from render.studio.portrait import Portrait
from render.studio.speech import speaking
from tracker.jobs.demo.perform import TURN_DEGREES, stage_of
from tracker.jobs.progress import progress_bar
from tracker.tracker import HeadTracker

Picture = NDArray[np.uint8]

SEED, FRAMES, EVERY = 2, 180, 2  # of a film that begins and ends at rest, every second frame is shown
SIDE_PX, SHOWN_PX, QUALITY = 460, 320, 80
TEXT = "Hello. Nobody is behind this face, but you may look, and follow it as I move."


def main(path: Path) -> None:
    head = load_head()
    person, stage = random_person(head, SEED), replace(stage_of(SEED), noise_levels=0.0)
    motion = speaking(FRAMES, SEED, TEXT, turn_degrees=TURN_DEGREES)
    with progress_bar("filming", "frames") as tell:
        shots = []
        for shot in film(head, person, stage, motion, maker=Portrait(head, person, stage)):
            shots.append(shot)
            tell(len(shots), FRAMES)
    tracker = HeadTracker(head)
    for shot in shots:  # once to learn the person
        tracker.step(Frame(shot.image, shot.time_s, shot.index))
    tracker.close()
    if tracker.identity is None:
        raise SystemExit("the person was never found: is the film dark?")
    save(path, [side_by_side(*pair) for pair in zip(shots, followed(shots, tracker.identity), strict=True)][::EVERY])
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def followed(shots: list[Shot], identity: Identity) -> list[Picture]:
    """The film with the fitted head over it, of a person who is known already."""
    head = load_head()
    tracker, renderer = HeadTracker(head, identity=identity), OverlayRenderer(head)
    drawn = []
    for shot in shots:
        result = tracker.step(Frame(shot.image, shot.time_s, shot.index))
        drawn.append(renderer.draw(shot.image, result, identity, "mesh", legend=False))
    tracker.close()
    return drawn


def side_by_side(shot: Shot, overlay: Picture) -> Picture:
    """The same square of both around where the head is at rest."""
    height, width = overlay.shape[:2]
    top, left = (height - SIDE_PX) // 2, (width - SIDE_PX) // 2
    parts = [picture[top : top + SIDE_PX, left : left + SIDE_PX] for picture in (shot.image, overlay)]
    small = [cv2.resize(part, (SHOWN_PX, SHOWN_PX), interpolation=cv2.INTER_AREA) for part in parts]
    return np.concatenate(small, 1).astype(np.uint8)


def save(path: Path, frames: list[Picture]) -> None:
    first, *rest = (Image.fromarray(frame) for frame in frames)
    first.save(
        path, save_all=True, append_images=rest, duration=round(1000 * EVERY / FPS), loop=0, quality=QUALITY, method=4
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
