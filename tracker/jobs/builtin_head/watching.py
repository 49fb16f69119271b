"""A clip or picture in, what the detectors saw in it out."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.types import LANDMARK_COUNT, Landmarks, MienError
from tracker.jobs.builtin_head.observations import CLIPS, Floats, Observation
from tracker.landmarks import open_detector

SCORES = 52


def watch(file: Path, scores_model: Path) -> Observation:
    """Landmarks come from `mesh`, as when tracking; `task` is only asked for its scores."""
    is_clip = file.parent.name == CLIPS
    mesh = open_detector("mesh", still=not is_clip)
    task = open_detector("task", still=not is_clip, model=scores_model)
    points, scores = [], []
    for image in _clip_frames(file) if is_clip else [_picture(file)]:
        seen, also = mesh.detect(image), task.detect(image)
        if seen is not None and also is not None and task.scores is not None:
            points.append(_in_pixels(seen))
            scores.append(task.scores)
    mesh.close()
    task.close()
    return Observation(
        file.stem,
        is_clip,
        np.array(points, np.float32).reshape(-1, LANDMARK_COUNT, 3),
        np.array(scores, np.float32).reshape(-1, SCORES),
        sha256(file.read_bytes()).hexdigest(),
    )


def watch_landmarks(clip: Path) -> Floats:
    """[T, L, 3] of the frames with a face, as in `Observation`."""
    mesh = open_detector("mesh", still=False)
    seen = [mesh.detect(image) for image in _clip_frames(clip)]
    mesh.close()
    return np.array([_in_pixels(one) for one in seen if one is not None], np.float32).reshape(-1, LANDMARK_COUNT, 3)


def _in_pixels(seen: Landmarks) -> Floats:
    return np.concatenate([seen.points_px, seen.depth_px[:, None]], axis=1)


def _picture(file: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(file))
    if image is None:
        raise MienError(f"expected a picture that OpenCV can read, got {file}")
    return np.ascontiguousarray(image[:, :, ::-1], dtype=np.uint8)


def _clip_frames(file: Path) -> Iterator[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(file))
    try:
        while True:
            more, image = capture.read()
            if not more:
                return
            yield np.ascontiguousarray(image[:, :, ::-1], dtype=np.uint8)
    finally:
        capture.release()
