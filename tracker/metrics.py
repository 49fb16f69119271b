"""How good a track is, as far as that shows without knowing the truth: fitted landmarks against detected ones.

Every number is defined here once, for `report.json` and for `mien bench`. IOD is the 3D distance between the outer
corners of the eyes as detected, so that turning neither flatters nor punishes. Frames without a face are NaN rows and
count for nothing; what cannot be measured (no still moment, no blink) is NaN.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

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
MAX_LAG = 6  # frames
BLINK_CLOSED, BLINK_OPEN = 0.4, 0.6  # of the usual opening: closed below the one until open above the other
BLINK_TOLERANCE = 2  # frames


@dataclass(frozen=True)
class Series:
    """A track's landmarks over T frames."""

    seen_px: Floats  # [T, L, 2] detected
    fitted_px: Floats  # [T, L, 2]
    iod_px: Floats  # [T]

    def error(self) -> Floats:
        """[T, L] distance between fitted and detected, of the IOD."""
        error: Floats = np.linalg.norm(self.fitted_px - self.seen_px, axis=-1) / self.iod_px[:, None]
        return error


def measure(series: Series) -> dict[str, float]:
    """Every metric; errors and jitter in % of the IOD, lags in frames (above 0: the fit is late)."""
    return landmark_errors(series) | stillness(series) | promptness(series) | openings(series)


# Exact.


def landmark_errors(series: Series) -> dict[str, float]:
    error = 100 * series.error()
    error = error[np.isfinite(error).all(1)]
    if not len(error):
        return dict.fromkeys(("error_median", "error_p95", "error_lips", "error_lids"), np.nan)
    frames = error.mean(1)
    return {
        "error_median": float(np.median(frames)),
        "error_p95": float(np.percentile(frames, 95)),
        "error_lips": float(np.median(error[:, LIPS].mean(1))),
        "error_lids": float(np.median(error[:, EYELIDS].mean(1))),
    }


def openings(series: Series) -> dict[str, float]:
    """Do mouth and eyes open as detected? Correlation, and gain (the slope of fitted over detected)."""
    mouth, lids = (
        [opening(points, series.iod_px, gaps) for points in (series.seen_px, series.fitted_px)]
        for gaps in (MOUTH_GAP, EYE_GAPS)
    )
    found, blinks = blink_f1(*lids)
    return {
        "mouth_correlation": correlation(*mouth),
        "mouth_gain": gain(*mouth),
        "lids_correlation": correlation(*lids),
        "lids_gain": gain(*lids),
        "blink_f1": found,
        "blinks": float(blinks),
    }


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
        fitted.append(jitter(series.fitted_px[window], iod))
        seen.append(jitter(series.seen_px[window], iod))
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
    for run in whole_runs(series):
        if run.stop - run.start < WINDOW:
            continue
        speed = np.linalg.norm(_velocity(series.seen_px[run]), axis=-1).mean(1) / series.iod_px[run]
        for start in range(0, run.stop - run.start - WINDOW + 1, WINDOW // 3):
            if speed[start : start + WINDOW].mean() < STILL:
                yield slice(run.start + start, run.start + start + WINDOW)


def jitter(points_px: Floats, iod_px: float) -> float:
    """RMS of second differences / sqrt(6), per axis, of the IOD: white noise gives its own standard deviation."""
    second = points_px[2:] - 2 * points_px[1:-1] + points_px[:-2]
    return float(np.sqrt((second**2).mean() / 6)) / iod_px


def frozen_spread(points_px: Floats, iod_px: float) -> float:
    """On a frozen picture: the per-axis standard deviation over time, of the IOD, over all points."""
    return float(np.sqrt(points_px.var(0).mean())) / iod_px


# Prompt.


def promptness(series: Series) -> dict[str, float]:
    mouth = [opening(points, series.iod_px, MOUTH_GAP) for points in (series.seen_px, series.fitted_px)]
    return {
        "lag_mouth": peak_lag(*mouth),
        "lag_yaw": peak_lag(turning(series.seen_px), turning(series.fitted_px)),
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
    for run in whole_runs(series):
        if run.stop - run.start < WINDOW:
            continue
        velocity = _velocity(series.seen_px[run])
        speed = np.linalg.norm(velocity, axis=-1) / series.iod_px[run, None]
        slow = (speed > SLOW[0]) & (speed < SLOW[1])
        behind += float(((series.seen_px[run] - series.fitted_px[run]) * velocity)[slow].sum())
        moved += float((velocity[slow] ** 2).sum())
    return behind / moved if moved else float("nan")


def _velocity(points_px: Floats) -> Floats:
    """[T, L, 2] pixels a frame, of the points smoothed over time."""
    velocity: Floats = np.gradient(gaussian_filter1d(points_px, SMOOTHING, axis=0, mode="nearest"), axis=0)
    return velocity


def whole_runs(series: Series) -> Iterator[slice]:
    """The stretches of frames that have a face throughout."""
    whole = np.isfinite(series.iod_px)
    whole &= np.isfinite(series.seen_px).all((1, 2)) & np.isfinite(series.fitted_px).all((1, 2))
    edges = np.flatnonzero(np.diff(np.concatenate(([0], whole.astype(np.int8), [0]))))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        yield slice(int(start), int(stop))
