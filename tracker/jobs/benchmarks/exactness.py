"""The rows of real clips: exact, steady, prompt, and the lives of a session. A row is the median over clips."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.library import load_head
from tracker.jobs.bench import Row, Settings, Tell, in_parallel
from tracker.jobs.benchmarks.clips import (
    SPLICE_FRAMES,
    ClipReport,
    change_noticed,
    detect_clip,
    find_clips,
    measure_clip,
)

PAIRS = 10

# Row -> the metric of `tracker.metrics.measure` whose median over clips it is.
MEDIANS = {
    "exact.median": "error_median",
    "exact.p95": "error_p95",
    "exact.lips": "error_lips",
    "exact.lids": "error_lids",
    "opening.mouth_correlation": "mouth_correlation",
    "opening.mouth_gain": "mouth_gain",
    "opening.lids_correlation": "lids_correlation",
    "opening.lids_gain": "lids_gain",
    "steady.jitter": "jitter_still",
    "steady.relative": "jitter_ratio",
    "prompt.mouth": "lag_mouth",
    "prompt.yaw": "lag_yaw",
    "prompt.slow": "lag_slow",
}


def measure_clips(settings: Settings, tell: Tell) -> Iterator[Row]:
    if settings.clips is None:
        return
    paths = find_clips(settings.clips)
    pairs = [] if settings.quick else list(zip(paths, paths[len(paths) // 2 :], strict=False))[:PAIRS]
    steps = len(paths) + len(pairs)
    yield from clip_rows(in_parallel(measure_clip, [(p, settings.quick) for p in paths], lambda k, _: tell(k, steps)))
    if len(pairs) == PAIRS:
        noticed = in_parallel(splice, pairs, lambda k, _: tell(len(paths) + k, steps))
        yield Row("life.person_changes_noticed", sum(noticed))


def splice(first: Path, second: Path) -> bool:
    one, other = (detect_clip(path, 2 * SPLICE_FRAMES) for path in (first, second))
    return change_noticed(load_head(), one, other)


def clip_rows(reports: list[ClipReport]) -> Iterator[Row]:
    metrics = {key: np.array([report.metrics[key] for report in reports]) for key in reports[0].metrics}
    for key, metric in MEDIANS.items():
        yield Row(key, _median(metrics[metric]))
    yield Row("exact.worst_clip_p95", float(np.nanmax(metrics["error_p95"])))
    yield Row("exact.hidden_lips", _median([report.hidden_lips for report in reports]))
    yield Row("exact.hidden_lids", _median([report.hidden_lids for report in reports]))
    yield Row("opening.blink_f1", _pooled(metrics["blink_f1"], metrics["blinks"]))
    yield Row("life.first_parameters", float(np.nanmax([report.first_parameters for report in reports])))
    yield Row("life.settled", _median([report.settled for report in reports]))
    yield Row("life.recovery", float(np.nanmax([report.recovery_ms for report in reports])))
    yield Row("life.faces_kept", float(np.mean([report.faces_kept for report in reports])))
    yield Row("life.false_alarms", float(sum(report.changes > 0 for report in reports)))
    for report in reports:
        yield from details(report)


def details(report: ClipReport) -> Iterator[Row]:
    for key, metric in (*MEDIANS.items(), ("opening.blink_f1", "blink_f1"), ("opening.blinks", "blinks")):
        yield Row(f"clip.{report.name}.{key}", report.metrics[metric], detail=True)
    yield Row(f"clip.{report.name}.exact.hidden_lips", report.hidden_lips, detail=True)
    yield Row(f"clip.{report.name}.exact.hidden_lids", report.hidden_lids, detail=True)
    yield Row(f"clip.{report.name}.life.settled", report.settled, detail=True)
    yield Row(f"clip.{report.name}.life.person_changes", float(report.changes), detail=True)


def _median(values: object) -> float:
    return float(np.nanmedian(np.asarray(values, np.float64)))


def _pooled(
    scores: np.ndarray[tuple[int], np.dtype[np.float64]], counts: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> float:
    """The mean, each clip weighted by its number of blinks."""
    known = np.isfinite(scores) & (counts > 0)
    return float(np.average(scores[known], weights=counts[known])) if known.any() else float("nan")
