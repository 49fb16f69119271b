"""Each metric on signals whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import shift

from tracker.metrics import (
    EYE_GAPS,
    EYELIDS,
    LIPS,
    MOUTH_GAP,
    NOSE_TIP,
    SIDES,
    Floats,
    Series,
    blink_f1,
    blinks,
    correlation,
    frozen_spread,
    gain,
    jitter,
    landmark_errors,
    measure,
    openings,
    peak_lag,
    slow_lag,
    still_windows,
    stillness,
    whole_runs,
)

FRAMES, POINTS, IOD = 120, 478, 200.0


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def face(rng: np.random.Generator) -> Floats:
    points = rng.uniform(0, 1000, (POINTS, 2))
    for upper, lower in (*MOUTH_GAP, *EYE_GAPS):
        points[lower] = points[upper] + (0, 0.1 * IOD)
    points[SIDES[0]], points[SIDES[1]], points[NOSE_TIP] = (300, 500), (700, 500), (500, 520)
    return points


def series(seen: Floats, fitted: Floats) -> Series:
    return Series(seen, fitted, np.full(len(seen), IOD))


def still(rng: np.random.Generator) -> Series:
    seen = np.repeat(face(rng)[None], FRAMES, 0)
    return series(seen, seen.copy())


# Exact.


def test_error_is_the_mean_distance_of_the_iod(rng: np.random.Generator) -> None:
    track = still(rng)
    fitted = track.fitted() + np.array((0.03, 0.04)) * IOD
    found = landmark_errors(replace(track, fitted_px=fitted))
    assert found == pytest.approx({"error_median": 5, "error_p95": 5, "error_lips": 5, "error_lids": 5})


def test_lips_and_lids_are_counted_apart(rng: np.random.Generator) -> None:
    track = still(rng)
    fitted = track.fitted().copy()
    fitted[:, LIPS] += (0.01 * IOD, 0)
    fitted[:, EYELIDS] += (0, 0.02 * IOD)
    found = landmark_errors(replace(track, fitted_px=fitted))
    assert found["error_lips"] == pytest.approx(1)
    assert found["error_lids"] == pytest.approx(2)
    assert found["error_median"] == pytest.approx((len(LIPS) + 2 * len(EYELIDS)) / POINTS)


def test_frames_without_a_face_do_not_count(rng: np.random.Generator) -> None:
    track = still(rng)
    gone = np.where(np.arange(FRAMES)[:, None, None] % 3 == 0, np.nan, track.fitted() + 1)
    assert landmark_errors(replace(track, fitted_px=gone))["error_median"] == pytest.approx(100 * np.sqrt(2) / IOD)


def test_a_few_bad_frames_show_in_the_percentile_only(rng: np.random.Generator) -> None:
    track = still(rng)
    fitted = track.fitted().copy()
    fitted[: FRAMES // 10] += (0.1 * IOD, 0)
    found = landmark_errors(replace(track, fitted_px=fitted))
    assert found["error_median"] == pytest.approx(0)
    assert found["error_p95"] == pytest.approx(10)


@given(st.floats(0.2, 3), st.floats(-5, 5))
def test_gain_is_the_slope(slope: float, offset: float) -> None:
    seen = np.sin(np.arange(50) / 3)
    assert gain(seen, slope * seen + offset) == pytest.approx(slope)
    assert correlation(seen, slope * seen + offset) == pytest.approx(1)
    assert correlation(seen, -slope * seen) == pytest.approx(-1)


def test_openings_follow_lips_and_lids(rng: np.random.Generator) -> None:
    track = still(rng)
    wave = 0.05 * IOD * np.sin(np.arange(FRAMES) / 5)
    seen, fitted = track.seen().copy(), track.fitted().copy()
    for pairs, amount in ((MOUTH_GAP, 0.8), (EYE_GAPS, 1.1)):
        for _, lower in pairs:
            seen[:, lower, 1] += wave
            fitted[:, lower, 1] += amount * wave
    found = openings(series(seen, fitted))
    assert found["mouth_gain"] == pytest.approx(0.8)
    assert found["lids_gain"] == pytest.approx(1.1)
    assert found["mouth_correlation"] == pytest.approx(1)


def closings(*starts: int) -> Floats:
    opened = np.full(FRAMES, 0.1)
    for start in starts:
        opened[start : start + 4] = 0.01
    return opened


def test_blinks_are_events() -> None:
    assert blinks(closings(20, 50), 0.1) == [(20, 23), (50, 53)]
    assert blinks(np.array([0.1, 0.03, 0.05, 0.03, 0.07, 0.1]), 0.1) == [(1, 3)], "half open is not open yet"
    assert blinks(np.array([0.1, 0.01, np.nan, 0.1]), 0.1) == [(1, 2)]


@pytest.mark.parametrize(
    ("fitted", "expected"),
    [((20, 50, 80), 1.0), ((21, 49, 81), 1.0), ((20, 50), 0.8), ((20, 50, 80, 100), 6 / 7), ((30, 60, 90), 0.0)],
)
def test_blinks_are_matched_in_time(fitted: tuple[int, ...], expected: float) -> None:
    found, detected = blink_f1(closings(20, 50, 80), closings(*fitted))
    assert found == pytest.approx(expected)
    assert detected == 3


def test_an_eye_that_closes_halfway_does_not_blink() -> None:
    half = np.where(closings(20, 50) < 0.05, 0.055, 0.1)
    assert blink_f1(closings(20, 50), half) == (0.0, 2)


# Steady.


@pytest.mark.parametrize("sigma", [0.0002, 0.001])
def test_jitter_of_white_noise_is_its_deviation(rng: np.random.Generator, sigma: float) -> None:
    points = face(rng) + rng.normal(0, sigma * IOD, (FRAMES, POINTS, 2))
    assert jitter(points, IOD) == pytest.approx(sigma, rel=0.02)
    assert frozen_spread(points, IOD) == pytest.approx(sigma, rel=0.02)


def test_jitter_does_not_count_even_motion(rng: np.random.Generator) -> None:
    moving = face(rng) + np.arange(FRAMES)[:, None, None] * 3.0
    assert jitter(moving, IOD) == pytest.approx(0, abs=1e-9)


def test_only_still_windows_count(rng: np.random.Generator) -> None:
    seen = still(rng).seen()
    seen[60:] += np.linspace(0, 100, 60)[:, None, None]  # 1.7 pixels a frame
    noisy = seen + rng.normal(0, 0.0005 * IOD, seen.shape)
    track = series(noisy, seen + 0.5 * (noisy - seen))
    assert all(window.stop <= 65 for window in still_windows(track))
    found = stillness(track)
    assert found["jitter_still"] == pytest.approx(0.025, rel=0.1)
    assert found["jitter_ratio"] == pytest.approx(0.5, rel=0.05)
    assert found["still_windows"] >= 8


# Prompt.


@pytest.mark.parametrize("late", [-2.0, 0.0, 0.5, 1.0, 3.0])
def test_the_lag_of_a_late_signal(rng: np.random.Generator, late: float) -> None:
    seen = np.cumsum(np.cumsum(rng.normal(0, 1, 400)))
    seen = np.sin(np.arange(400) / 4) + 0.3 * np.sin(np.arange(400) / 2.3) + 1e-9 * seen
    fitted = shift(seen, late, order=3, mode="nearest")
    assert peak_lag(seen, fitted) == pytest.approx(late, abs=0.05)


@pytest.mark.parametrize("late", [0.0, 0.3, 2.0])
def test_the_lag_on_slow_motion(rng: np.random.Generator, late: float) -> None:
    speed = 0.003 * IOD
    time = np.arange(FRAMES)[:, None, None]
    track = series(face(rng) + speed * time * (1, 0), face(rng) * 0)
    track = replace(track, fitted_px=track.seen() - late * speed * np.array((1, 0)))
    assert slow_lag(track) == pytest.approx(late, abs=0.05)


def test_fast_motion_is_not_slow_motion(rng: np.random.Generator) -> None:
    track = series(face(rng) + 0.02 * IOD * np.arange(FRAMES)[:, None, None], still(rng).seen())
    assert np.isnan(slow_lag(track))


# Gaps, and nothing at all.


def test_runs_end_where_the_face_is_gone(rng: np.random.Generator) -> None:
    seen = still(rng).seen()
    seen[[0, 5, 6, 119]] = np.nan
    assert list(whole_runs(series(seen, seen.copy()))) == [slice(1, 5), slice(7, 119)]


def test_a_long_track_is_measured_part_by_part(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = (
        face(rng)
        + 0.002 * IOD * np.cumsum(rng.normal(0, 1, (FRAMES, 1, 2)), 0) * (np.arange(FRAMES) > 50)[:, None, None]
    )
    seen[90:92] = np.nan
    track = series(seen, seen + rng.normal(0, 0.3, seen.shape))
    whole = measure(track)
    assert whole["still_windows"] > 0
    assert np.isfinite(whole["lag_slow"])
    monkeypatch.setattr("tracker.metrics.PART", 7)
    assert measure(track) == pytest.approx(whole, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("frames", [0, 1, 5, 40])
def test_a_track_without_a_face_measures_nothing(frames: int) -> None:
    empty = np.full((frames, POINTS, 2), np.nan)
    found = measure(Series(empty, empty, np.full(frames, np.nan)))
    assert all(np.isnan(value) or value == 0 for value in found.values())


def test_a_perfect_track_measures_perfectly(rng: np.random.Generator) -> None:
    wave = np.sin(np.arange(FRAMES) / 6)[:, None, None]
    seen = face(rng) + 0.01 * IOD * wave * rng.normal(0, 1, (POINTS, 2))
    found = measure(series(seen, seen.copy()))
    assert found["error_median"] == 0
    assert found["mouth_correlation"] == found["lids_correlation"] == pytest.approx(1)
    assert abs(found["lag_mouth"]) < 1e-6
    assert abs(found["lag_yaw"]) < 1e-6
