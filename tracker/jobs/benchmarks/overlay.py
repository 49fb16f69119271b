"""How fast the overlay is drawn: one thread, warm, a person of the studio who talks; and on a GPU, where one can."""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import torch

from models.library import load_head
from models.types import Identity, State, TrackResult
from render.modes import OverlayMode
from render.overlay import OverlayRenderer
from render.painter import open_painter
from render.rasterizer import chosen
from render.studio import Shot, film, random_person, random_stage
from render.studio.motion import talking
from render.texture import Texture
from tracker.jobs.bench import Row, Settings, Tell

FRAMES, ROUNDS = 24, 6
QUICK_FRAMES = 4
SIZES = {"": (640, 480), "_720": (1280, 720)}
FACE = 0.42  # the face's height, of the picture's
MODES: tuple[OverlayMode, ...] = ("mesh", "textured")
SEED = 1


def measure_overlay(settings: Settings, tell: Tell) -> Iterator[Row]:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    head = load_head()
    person = random_person(head, SEED)
    # A GPU's work is waited for; the CPU's is that of this thread, whatever else runs here.
    devices = {"": ("cpu", time.thread_time)} | ({"gpu.": ("cuda", time.perf_counter)} if gpu_draws() else {})
    frames = QUICK_FRAMES if settings.quick else FRAMES
    for done, (name, size) in enumerate(SIZES.items(), 1):
        stage = random_stage(SEED, size, face_px=FACE * size[1])
        identity = Identity(person.identity, stage.focal_px, size, head.name, head.sha256)
        shots = list(film(head, person, stage, talking(frames, 12.0, SEED)))
        for place, (device, clock) in devices.items():
            renderer = OverlayRenderer(head, open_painter(head, device))
            for mode in MODES:
                yield Row(f"draw.{place}{mode}{name}", draw_ms(renderer, shots, identity, mode, clock))
        tell(done, len(SIZES))


def gpu_draws() -> bool:
    return torch.cuda.is_available() and chosen(torch.device("cuda")) == "cuda"


def draw_ms(
    renderer: OverlayRenderer, shots: list[Shot], identity: Identity, mode: OverlayMode, clock: Callable[[], float]
) -> float:
    """The middle frame's time, each frame's the least of several rounds."""
    skin = checked_skin()
    best = [math.inf] * len(shots)
    for _ in range(ROUNDS):
        for place, shot in enumerate(shots):
            result = shown(shot)
            start = clock()
            renderer.draw(shot.image, result, identity, mode, legend=False, texture=skin)
            best[place] = min(best[place], clock() - start)
    return 1e3 * statistics.median(best)


def shown(shot: Shot) -> TrackResult:
    """The truth, as if it had been tracked."""
    height, width = shot.image.shape[:2]
    nobody = TrackResult.without_face(shot.index, shot.time_s, (width, height), State.TRACKING)
    return replace(nobody, params=shot.params, camera=shot.camera)


@lru_cache(maxsize=1)
def checked_skin() -> Texture:
    """As large as those that are learned."""
    y, x = np.mgrid[:1024, :1024]
    light = np.zeros((9, 3), np.float32)
    light[:4] = np.array((2.6, -0.8, -0.9, -0.6), np.float32)[:, None]
    return Texture(np.repeat(((x // 32 + y // 32) % 2 * 90 + 120).astype(np.uint8)[..., None], 3, 2), light)
