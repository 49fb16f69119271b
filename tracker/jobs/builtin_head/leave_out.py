"""How well the built-in head fits people it was not made from.

    python -m tracker.jobs.builtin_head.leave_out --faces FOLDER [--cache DIR]

For each clip, statistics and head are made again without it (or without everything of its source: clips and pictures
whose names start with the same word). Then, as in tracking, who it is comes from the clip's first 60 frames, and
expression and camera from each frame alone. The error is that of the landmarks: their mean 2D distance over the 3D
distance between the outer eye corners, in percent. Clips that are for measuring only are never in the statistics.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.head import Head
from models.landmark_rows import landmark_rows
from models.types import Camera, Landmarks, MienError
from tracker.config import LiveConfig
from tracker.fit import PersonFitter
from tracker.jobs.builtin_head.build import build_head
from tracker.jobs.builtin_head.observations import CLIPS, MEASURING_ONLY, Observation, keep, observe
from tracker.jobs.builtin_head.statistics import derive
from tracker.jobs.builtin_head.topology import EYE_LEFT, EYE_RIGHT, LIPS_INNER, LIPS_OUTER
from tracker.live import FrameFitter, Seen
from tracker.pose import iod_px
from tracker.unknowns import Layout

Floats = NDArray[np.float64]

FIRST_FRAMES, EVERY = 60, 5  # of a clip, that tell who it is
PARTS = {"all": list(range(478)), "lips": [*LIPS_OUTER, *LIPS_INNER], "lids": [*EYE_LEFT, *EYE_RIGHT]}


@dataclass(frozen=True)
class Clip:
    name: str
    frames: list[Landmarks]

    @property
    def source(self) -> str:
        return self.name.split("_")[0]


def fit_clip(head: Head, clip: Clip, config: LiveConfig) -> dict[str, Floats]:
    """Landmark error of every frame [T], in IOD, by the part of the face."""
    fitter = PersonFitter(head, config)
    person = fitter.fit(clip.frames[:FIRST_FRAMES:EVERY])
    rows = landmark_rows(head, person.identity.shape)
    one = slice(0, 1)
    camera = Camera(*(getattr(person.camera, name)[one] for name in Camera.__dataclass_fields__))
    first = person.params.with_(**{name: value[one] for name, value in vars(person.params).items()})
    state = Layout(rows.columns).pack(first, camera).numpy()[0]
    frame_fitter = FrameFitter(head, rows, config)
    errors: dict[str, list[float]] = {part: [] for part in PARTS}
    rotation = slice(rows.columns.rotation.start, rows.columns.rotation.start + 9)
    for number, frame in enumerate(clip.frames):
        turn, size, iod = state[rotation].reshape(3, 3), np.array(frame.size_px, np.float32), iod_px(frame)
        weights = fitter.weights.at(turn, frame.points_px)
        fit = frame_fitter.fit(Seen(frame.points_px, iod, weights, size / 2, number / 30), state, before=None)
        state = fit.posterior.state
        distance = np.linalg.norm(fit.fitted_px - frame.points_px, axis=1) / iod
        for part, ids in PARTS.items():
            errors[part].append(float(distance[ids].mean()))
    return {part: np.array(values) for part, values in errors.items()}


def seen_clips(faces: Path, observations: list[Observation], cache: Path | None) -> list[Clip]:
    """The clips of the statistics, then those that are for measuring only."""
    files = {file.stem: file for file in sorted((faces / CLIPS).glob("*.*"))}
    clips = [_clip(seen.name, seen.points, files[seen.name]) for seen in observations if seen.is_clip]
    for name, file in files.items():
        if name.startswith(MEASURING_ONLY):
            clips.append(_clip(name, _watched(file, cache), file))
    return clips


def _watched(file: Path, cache: Path | None) -> NDArray[np.float32]:
    stored = cache / f"{file.stem}.npy" if cache else None
    if stored and stored.exists():
        return np.asarray(np.load(stored, allow_pickle=False), np.float32)
    from tracker.jobs.builtin_head.watching import watch_landmarks  # with a cache the detector need not be installed

    points = watch_landmarks(file)
    if stored:
        np.save(stored, points)
    return points


def _clip(name: str, points: NDArray[np.float32], file: Path) -> Clip:
    video = cv2.VideoCapture(str(file))
    size = int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT))
    video.release()
    return Clip(name, [Landmarks(frame[:, :2].copy(), frame[:, 2].copy(), size, 1.0) for frame in points])


@dataclass(frozen=True)
class Row:
    left_out: str
    clip: str
    errors: dict[str, Floats]  # IOD, a frame


def table(
    observations: list[Observation], clips: list[Clip], config: LiveConfig, say: Callable[[str], None]
) -> Iterator[tuple[str, Row]]:
    """(what was left out: clip, source, or measuring; and a clip's errors)."""

    def without(prefix: str | None) -> Head:
        return build_head(derive(keep(observations, prefix), with_reliability=False))

    counted = [clip for clip in clips if not clip.name.startswith(MEASURING_ONLY)]
    head = without(None)
    for clip in clips:
        if clip.name.startswith(MEASURING_ONLY):
            yield "measuring", Row("", clip.name, fit_clip(head, clip, config))
    for clip in counted:
        yield "clip", Row(clip.name, clip.name, fit_clip(without(clip.name), clip, config))
    for source in sorted({clip.source for clip in counted}):
        head = without(source)
        for clip in counted:
            if clip.source == source:
                yield "source", Row(source, clip.name, fit_clip(head, clip, config))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tracker.jobs.builtin_head.leave_out", description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, help="folder with clips/ and images/")
    parser.add_argument("--scores-model", type=Path, help="face_landmarker.task (default: FACES/../models/)")
    parser.add_argument("--cache", type=Path, help="folder that keeps what the detector saw, for the next time")
    options = parser.parse_args(arguments)
    model = options.scores_model or options.faces.parent / "models" / "face_landmarker.task"
    torch.set_num_threads(1)
    print(f"{'left out':10} {'clip':18} frames  " + "  ".join(f"{part:>6}" for part in PARTS) + "  all, 95th")
    rows: dict[str, list[Row]] = {}
    try:
        observations = observe(options.faces, model, options.cache, print)
        clips = seen_clips(options.faces, observations, options.cache)
        for kind, row in table(observations, clips, LiveConfig(), print):
            rows.setdefault(kind, []).append(row)
            print(f"{kind:10} {row.clip:18} {len(row.errors['all']):6}  {_figures([row])}", flush=True)
    except MienError as error:
        print(error, file=sys.stderr)
        return 2
    for kind, group in rows.items():
        print(f"{kind:10} {'median of ' + str(len(group)) + ' clips':18} {'':6}  {_figures(group)}")
    return 0


def _figures(rows: list[Row]) -> str:
    """Medians over frames, then over clips, in percent of the IOD; at the end the 95th percentile of all points."""
    medians = [float(np.median([np.median(row.errors[part]) for row in rows])) for part in PARTS]
    high = float(np.median([np.percentile(row.errors["all"], 95) for row in rows]))
    return "  ".join(f"{100 * value:6.3f}" for value in (*medians, high))


if __name__ == "__main__":
    sys.exit(main())
