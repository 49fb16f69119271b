"""How good a track is, as far as that shows without knowing the truth: fitted landmarks against detected ones.

Every number is defined here once, for `report.json` and for `mien bench`. IOD is the 3D distance between the outer
corners of the eyes as detected, so that turning neither flatters nor punishes. Frames without a face are NaN rows and
count for nothing; what cannot be measured (no still moment, no blink) is NaN. A track may be too long for the memory:
its points are looked at a part at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from models.types import LANDMARK_COUNT, TrackResult
from tracker.pose import iod_px

Floats = NDArray[np.float64]

LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
        78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415)  # fmt: skip
EYELIDS = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246,
           263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)  # fmt: skip
MOUTH_GAP = ((13, 14),)  # inner lips, upper and lower, in the middle
EYE_GAPS = ((159, 145), (386, 374))  # upper and lower lid of the right and of the left eye
NOSE_TIP, SIDES = 1, (234, 454)  # the nose's place between the face's sides says where the head turns

WINDOW = 15  # frames in which stillness is judged
STILL = 0.0012  # of the IOD a frame: slower is still
SLOW = (0.001, 0.005)  # of the IOD a frame: a slow motion, where lag hides best
SMOOTHING = 2.0  # frames
REACH = 10  # frames to each side, beyond which the smoothed velocity looks at nothing
PART = 512  # frames looked at together
MAX_LAG = 6  # frames
BLINK_CLOSED, BLINK_OPEN = 0.4, 0.6  # of the usual opening: closed below the one until open above the other
BLINK_TOLERANCE = 2  # frames


class Points(Protocol):
    """[T, L, 2]: an array, or one on the disk, of which slices are read."""

    def __getitem__(self, frames: slice, /) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Series:
    """A track's landmarks over T frames."""

    seen_px: Points  # [T, L, 2] detected
    fitted_px: Points  # [T, L, 2]
    iod_px: Floats  # [T]

    @staticmethod
    def of(results: Sequence[TrackResult]) -> "Series":
        """NaN where no face was."""
        missing = np.full((LANDMARK_COUNT, 2), np.nan)
        seen = [r.landmarks if r.params is not None else None for r in results]
        iods = [np.nan if s is None else iod_px(s) for s in seen]
        points = (
            [missing if s is None else s.points_px for s in seen],
            [missing if r.fitted_px is None else r.fitted_px for r in results],
        )
        first, second = (np.array(rows, np.float64).reshape(-1, LANDMARK_COUNT, 2) for rows in points)
        return Series(first, second, np.array(iods, np.float64))

    def __len__(self) -> int:
        return len(self.iod_px)

    def seen(self, frames: slice = slice(None)) -> Floats:
        return np.asarray(self.seen_px[frames], np.float64)

    def fitted(self, frames: slice = slice(None)) -> Floats:
        return np.asarray(self.fitted_px[frames], np.float64)

    def error(self) -> Floats:
        """[T, L] distance between fitted and detected, of the IOD."""
        error: Floats = np.linalg.norm(self.fitted() - self.seen(), axis=-1) / self.iod_px[:, None]
        return error

    def each(self, tell: Callable[["Series"], Floats]) -> Floats:
        """[T, ...] of what each frame tells by itself."""
        parts = [slice(start, start + PART) for start in range(0, max(len(self), 1), PART)]
        told = [tell(Series(self.seen(part), self.fitted(part), self.iod_px[part])) for part in parts]
        return np.concatenate(told)


def measure(series: Series) -> dict[str, float]:
    """Every metric; errors and jitter in % of the IOD, lags in frames (above 0: the fit is late)."""
    return landmark_errors(series) | stillness(series) | promptness(series) | openings(series)


# Exact.


def landmark_errors(series: Series) -> dict[str, float]:
    def means(part: Series) -> Floats:
        error = 100 * part.error()
        return np.stack([error.mean(1), error[:, LIPS].mean(1), error[:, EYELIDS].mean(1)], 1)

    errors = series.each(means)
    errors = errors[np.isfinite(errors[:, 0])]
    if not len(errors):
        return dict.fromkeys(("error_median", "error_p95", "error_lips", "error_lids"), np.nan)
    frames, lips, lids = errors.T
    return {
        "error_median": float(np.median(frames)),
        "error_p95": float(np.percentile(frames, 95)),
        "error_lips": float(np.median(lips)),
        "error_lids": float(np.median(lids)),
    }


def openings(series: Series) -> dict[str, float]:
    """Do mouth and eyes open as detected? Correlation, and gain (the slope of fitted over detected)."""
    mouth, lids = openings_of(series, MOUTH_GAP), openings_of(series, EYE_GAPS)
    found, blinks = blink_f1(*lids)
    return {
        "mouth_correlation": correlation(*mouth),
        "mouth_gain": gain(*mouth),
        "lids_correlation": correlation(*lids),
        "lids_gain": gain(*lids),
        "blink_f1": found,
        "blinks": float(blinks),
    }


def openings_of(series: Series, gaps: tuple[tuple[int, int], ...]) -> Floats:
    """[2, T] `opening`, as detected and as fitted."""
    return series.each(
        lambda part: np.stack([opening(points, part.iod_px, gaps) for points in (part.seen(), part.fitted())], 1)
    ).T


def opening(points_px: Floats, iod_px: Floats, gaps: tuple[tuple[int, int], ...]) -> Floats:
    """[T] the mean gap between upper and lower points, of the IOD."""
    upper, lower = np.array(gaps).T
    distance: Floats = np.linalg.norm(points_px[:, upper] - points_px[:, lower], axis=-1).mean(1) / iod_px
    return distance


def correlation(seen: Floats, fitted: Floats) -> float:
    both = np.isfinite(seen) & np.isfinite(fitted)
    if both.sum() < 3 or min(seen[both].std(), fitted[both].std()) == 0:
        return float("nan")
    return float(np.corrcoef(seen[both], fitted[both])[0, 1])


def gain(seen: Floats, fitted: Floats) -> float:
    """The slope of fitted over seen."""
    both = np.isfinite(seen) & np.isfinite(fitted)
    if both.sum() < 3 or seen[both].std() == 0:
        return float("nan")
    x = seen[both] - seen[both].mean()
    return float(x @ fitted[both] / (x @ x))


def blink_f1(seen: Floats, fitted: Floats) -> tuple[float, int]:
    """F1 of the fitted blinks against the detected ones, and how many were detected."""
    if not np.isfinite(seen).any():
        return float("nan"), 0
    usual = float(np.nanpercentile(seen, 75))
    truth, found = blinks(seen, usual), blinks(fitted, usual)
    hits = _matches(truth, found)
    total = len(truth) + len(found)
    return (2 * hits / total if total else float("nan")), len(truth)


def blinks(opened: Floats, usual: float) -> list[tuple[int, int]]:
    """First and last frame of each closing, with hysteresis. A missing frame neither opens nor closes."""
    events: list[tuple[int, int]] = []
    start = -1
    for i, value in enumerate(opened):
        if start < 0 and value < BLINK_CLOSED * usual:
            start = i
        elif start >= 0 and value > BLINK_OPEN * usual:
            events.append((start, i - 1))
            start = -1
    return events if start < 0 else [*events, (start, len(opened) - 1)]


def _matches(truth: list[tuple[int, int]], found: list[tuple[int, int]]) -> int:
    """How many events overlap, each used once."""
    free = list(found)
    hits = 0
    for first, last in truth:
        for event in free:
            if event[0] <= last + BLINK_TOLERANCE and event[1] >= first - BLINK_TOLERANCE:
                free.remove(event)
                hits += 1
                break
    return hits


# Steady.


def stillness(series: Series) -> dict[str, float]:
    """Jitter in still moments, of the fit and relative to the detector's own."""
    fitted, seen = [], []
    for window in still_windows(series):
        iod = float(series.iod_px[window].mean())
        fitted.append(jitter(series.fitted(window), iod))
        seen.append(jitter(series.seen(window), iod))
    if not fitted:
        return {"jitter_still": np.nan, "jitter_detector": np.nan, "jitter_ratio": np.nan, "still_windows": 0.0}
    return {
        "jitter_still": 100 * float(np.median(fitted)),
        "jitter_detector": 100 * float(np.median(seen)),
        "jitter_ratio": float(np.median(np.array(fitted) / np.maximum(seen, 1e-12))),
        "still_windows": float(len(fitted)),
    }


def still_windows(series: Series) -> Iterator[slice]:
    """Windows in which the smoothed face moves less than a trembling."""
    speed = np.full(len(series), np.nan)
    for frames, velocity in _motion(series):
        speed[frames] = np.linalg.norm(velocity, axis=-1).mean(1) / series.iod_px[frames]
    for run in whole_runs(series):
        for start in range(run.start, run.stop - WINDOW + 1, WINDOW // 3):
            if speed[start : start + WINDOW].mean() < STILL:
                yield slice(start, start + WINDOW)


def jitter(points_px: Floats, iod_px: float) -> float:
    """RMS of second differences / sqrt(6), per axis, of the IOD: white noise gives its own standard deviation."""
    second = points_px[2:] - 2 * points_px[1:-1] + points_px[:-2]
    return float(np.sqrt((second**2).mean() / 6)) / iod_px


def frozen_spread(points_px: Floats, iod_px: float) -> float:
    """On a frozen picture: the per-axis standard deviation over time, of the IOD, over all points."""
    return float(np.sqrt(points_px.var(0).mean())) / iod_px


# Prompt.


def promptness(series: Series) -> dict[str, float]:
    turns = series.each(lambda part: np.stack([turning(part.seen()), turning(part.fitted())], 1)).T
    return {
        "lag_mouth": peak_lag(*openings_of(series, MOUTH_GAP)),
        "lag_yaw": peak_lag(*turns),
        "lag_slow": slow_lag(series),
    }


def turning(points_px: Floats) -> Floats:
    """[T] the nose's place between the face's sides, which moves as the head turns."""
    across = points_px[:, SIDES[1]] - points_px[:, SIDES[0]]
    nose = points_px[:, NOSE_TIP] - points_px[:, SIDES].mean(1)
    place: Floats = (nose * across).sum(-1) / (across**2).sum(-1)
    return place


def peak_lag(seen: Floats, fitted: Floats) -> float:
    """Frames by which the fit is late: the peak of the cross-correlation of first differences, to a part of a frame."""
    a, b = (np.nan_to_num(np.diff(signal)) for signal in (seen, fitted))
    if len(a) < 4 * MAX_LAG or a.std() == 0 or b.std() == 0:
        return float("nan")
    lags = range(-MAX_LAG, MAX_LAG + 1)
    agreement = np.array([a[max(0, -k) : len(a) - max(0, k)] @ b[max(0, k) : len(b) + min(0, k)] for k in lags])
    best = int(agreement.argmax())
    if best in (0, len(agreement) - 1):
        return float(lags[best])
    before, peak, after = agreement[best - 1 : best + 2]
    return lags[best] + 0.5 * float(before - after) / float(before - 2 * peak + after)


def slow_lag(series: Series) -> float:
    """Lag on slow motion, in frames: sum of (seen - fitted) . v over sum of v . v."""
    behind = moved = 0.0
    for frames, velocity in _motion(series):
        speed = np.linalg.norm(velocity, axis=-1) / series.iod_px[frames, None]
        slow = (speed > SLOW[0]) & (speed < SLOW[1])
        behind += float(((series.seen(frames) - series.fitted(frames)) * velocity)[slow].sum())
        moved += float((velocity[slow] ** 2).sum())
    return behind / moved if moved else float("nan")


def _motion(series: Series) -> Iterator[tuple[slice, Floats]]:
    """The frames of all runs that are long enough to judge, a part at a time, and the velocity [n, L, 2] in them."""
    for run in whole_runs(series):
        if run.stop - run.start < WINDOW:
            continue
        for start in range(run.start, run.stop, PART):
            stop = min(start + PART, run.stop)
            first, last = max(start - REACH, run.start), min(stop + REACH, run.stop)
            yield slice(start, stop), _velocity(series.seen(slice(first, last)))[start - first : stop - first]


def _velocity(points_px: Floats) -> Floats:
    """[T, L, 2] pixels a frame, of the points smoothed over time."""
    velocity: Floats = np.gradient(gaussian_filter1d(points_px, SMOOTHING, axis=0, mode="nearest"), axis=0)
    return velocity


def whole_runs(series: Series) -> Iterator[slice]:
    """The stretches of frames that have a face throughout."""
    whole = np.isfinite(series.each(lambda part: part.error().mean(1)))
    edges = np.flatnonzero(np.diff(np.concatenate(([0], whole.astype(np.int8), [0]))))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        yield slice(int(start), int(stop))
