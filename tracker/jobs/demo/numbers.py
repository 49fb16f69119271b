"""How far a track of a synthetic person is from the truth, in rows for people."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.arkit_names import ARKIT_NAMES, EYE_ROTATIONS
from models.types import State, TrackResult
from render.studio import Shot
from tracker.jobs.benchmarks import truth_metrics as metrics
from tracker.jobs.benchmarks.truth_metrics import Floats, TruthTrack
from tracker.jobs.benchmarks.truth_rig import truth_track
from tracker.metrics import EYE_GAPS, MOUTH_GAP, blink_f1, correlation, gain, opening
from tracker.pose import iod_px

MOVED = 0.05  # standard deviation from which a weight took part


@dataclass(frozen=True)
class Number:
    name: str
    value: float
    unit: str
    meaning: str
    headline: bool = False

    def text(self) -> str:
        if not np.isfinite(self.value):
            return "not measured"
        digits = 0 if abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 2
        return f"{self.value:.{digits}f} {self.unit}".strip()


def compare(shots: Sequence[Shot], results: Sequence[TrackResult]) -> TruthTrack:
    """Truth and track side by side: both heads are the same model, whose frames agree."""
    return truth_track(list(shots), list(results), np.eye(3))


def numbers(shots: Sequence[Shot], results: Sequence[TrackResult]) -> list[Number]:
    track = compare(shots, results)
    return [*_place(track), *_face(track, shots, results), *_course(results)]


def _place(track: TruthTrack) -> list[Number]:
    rotation = metrics.rotation_errors(track)
    slopes = metrics.turn_slopes(track) if track.tracked.any() else dict.fromkeys(metrics.TURNS, float("nan"))
    millimetres, depth = metrics.position_errors(track)
    shape, size = metrics.shape_and_scale(track)
    return [
        Number("head rotation", _median(rotation), "degrees", "error against the truth, median", headline=True),
        Number("head rotation, 95 %", _percentile(rotation, 95), "degrees", "all but the worst 5 % of the frames"),
        *(
            Number(f"slope of {axis}", slopes[axis], "", "tracked angle over true angle; 1 is perfect")
            for axis in metrics.TURNS
        ),
        Number("position", _median(millimetres), "mm", "of the face before the camera"),
        Number("depth", _median(depth), "%", "of the distance, which one camera tells only through the lens"),
        Number("shape", _median(shape), "mm", "landmarks after taking size and place away", headline=True),
        Number("size", 100 * abs(_median(size) - 1), "%", "one camera cannot see it: it comes from the model"),
    ]


def _face(track: TruthTrack, shots: Sequence[Shot], results: Sequence[TrackResult]) -> list[Number]:
    true, fitted = _true_points(shots), _fitted_points(results)
    mouth = [opening(*points, MOUTH_GAP) for points in (true, fitted)]
    lids = [opening(*points, EYE_GAPS) for points in (true, fitted)]
    found, count = blink_f1(*lids)
    moving = [
        k for k, name in enumerate(ARKIT_NAMES) if track.weights[:, k].std() > MOVED and name not in EYE_ROTATIONS
    ]
    agree = np.array([correlation(track.weights[:, k], track.weights_fit[:, k]) for k in moving])
    return [
        Number("gaze", _median(metrics.gaze_errors(track)), "degrees", "error of where the eyes look", headline=True),
        Number("mouth", correlation(*mouth), "r", "opening of the lips, tracked against true", headline=True),
        Number("mouth, gain", gain(*mouth), "", "tracked opening over true opening"),
        Number("blinks", found, "F1", f"{count} blinks; 1 is every one found and none made up", headline=True),
        Number("52 weights", _mean(agree), "r", f"the {len(moving)} that took part"),
    ]


def _course(results: Sequence[TrackResult]) -> list[Number]:
    errors = np.array([np.nan if r.error_iod is None else 100 * r.error_iod for r in results], np.float64)
    settled = next((r.time_s for r in results if r.state is State.TRACKING), np.nan)
    detect, fit = (np.array([getattr(r, key) for r in results]) for key in ("detect_ms", "fit_ms"))
    return [
        Number("landmarks", _median(errors), "% IOD", "the fit against the detector", headline=True),
        Number("tracked", 100 * float(np.isfinite(errors).mean()), "%", "of the frames"),
        Number("settled", settled, "s", "until the person was learned"),
        Number("detection", float(np.median(detect)), "ms", "a frame, here and now"),
        Number("fit", float(np.median(fit)), "ms", "a frame, here and now"),
    ]


# Landmarks over time, [T, L, 2], with the distance between the eyes, [T].


def _true_points(shots: Sequence[Shot]) -> tuple[Floats, Floats]:
    points = np.array([shot.landmarks_px for shot in shots])
    depth = np.array([shot.landmarks_m[[33, 263]] for shot in shots])
    apart = np.linalg.norm(depth[:, 0] - depth[:, 1], axis=1)
    focal = np.array([float(shot.camera.focal_px) for shot in shots])
    return points, focal * apart / depth[..., 2].mean(1)


def _fitted_points(results: Sequence[TrackResult]) -> tuple[Floats, Floats]:
    nothing = np.full((478, 2), np.nan)
    points = np.array([nothing if r.fitted_px is None else r.fitted_px for r in results], np.float64)
    iod = [np.nan if r.landmarks is None or r.fitted_px is None else iod_px(r.landmarks) for r in results]
    return points, np.array(iod, np.float64)


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _median(values: Floats) -> float:
    return _percentile(values, 50)


def _percentile(values: Floats, share: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.percentile(known, share)) if len(known) else float("nan")
