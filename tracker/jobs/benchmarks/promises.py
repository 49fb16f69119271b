"""What Mien promises, row by row: key -> unit, what it must be, what it aims at. One place for all of `mien bench`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    unit: str
    must: str = ""  # "<= 0.6", ">= 24", "0.9 to 1.1"; empty where nothing is promised
    aim: str = ""


PROMISES: dict[str, Promise] = {
    # Fitted against detected landmarks, on real clips.
    "exact.median": Promise("% IOD", "<= 0.6", "<= 0.6"),
    "exact.p95": Promise("% IOD", "<= 0.9", "<= 0.9"),
    "exact.lips": Promise("% IOD", "<= 0.7", "<= 0.5"),
    "exact.lids": Promise("% IOD", "<= 0.7", "<= 0.5"),
    "exact.worst_clip_p95": Promise("% IOD", "<= 1.6"),
    "exact.hidden_lips": Promise("% IOD", "<= 0.9", "<= 0.7"),
    "exact.hidden_lids": Promise("% IOD", "<= 0.9", "<= 0.7"),
    "opening.mouth_correlation": Promise("r", ">= 0.98", ">= 0.99"),
    "opening.mouth_gain": Promise("", "0.9 to 1.1"),
    "opening.lids_correlation": Promise("r", ">= 0.95", ">= 0.98"),
    "opening.lids_gain": Promise("", "0.9 to 1.1"),
    "opening.blink_f1": Promise("F1", ">= 0.95"),
    "steady.jitter": Promise("% IOD", "<= 0.10", "<= 0.08"),
    "steady.relative": Promise("of detector", "<= 0.6"),
    "steady.frozen": Promise("% IOD", "<= 0.05"),
    "prompt.mouth": Promise("frames", "-0.2 to 0.2", "-0.1 to 0.1"),
    "prompt.yaw": Promise("frames", "-0.2 to 0.2", "-0.1 to 0.1"),
    "prompt.slow": Promise("frames", "-0.5 to 0.5", "-0.3 to 0.3"),
    # Lives of a session, on real clips.
    "life.first_parameters": Promise("frames", "<= 1"),
    "life.settled": Promise("frames", "<= 90"),
    "life.recovery": Promise("ms", "<= 200"),
    "life.faces_kept": Promise("% of frames"),
    "life.person_changes_noticed": Promise("of 10", ">= 9"),
    "life.false_alarms": Promise("clips", "<= 0"),
    # Against the truth, on rendered heads of another model.
    "true.rotation.median": Promise("degrees", "<= 3.0", "<= 1.5"),
    "true.rotation.p95": Promise("degrees", "<= 6"),
    "true.slope.pitch": Promise("", "0.7 to 1.3"),
    "true.slope.yaw": Promise("", "0.7 to 1.3"),
    "true.slope.roll": Promise("", "0.7 to 1.3"),
    "true.position": Promise("mm"),
    "true.depth": Promise("%"),
    "true.shape": Promise("mm", "<= 2.5", "<= 2"),
    "true.scale": Promise("%", "<= 6", "<= 4"),
    "true.gaze.error": Promise("degrees", "<= 5", "<= 3"),
    "true.gaze.correlation": Promise("r", ">= 0.85"),
    "true.shapes.alive_and_clean": Promise("of 36", ">= 24", ">= 28"),
    "true.mixed.turning": Promise("r", ">= 0.42", ">= 0.5"),
    "true.mixed.gentle": Promise("r", ">= 0.55", ">= 0.65"),
    "true.frozen": Promise("% IOD", "<= 0.05"),
    # On one thread.
    "fast.fit.builtin": Promise("ms", "<= 1.0", "<= 0.5"),
    "fast.fit.flame_sized": Promise("ms", "<= 2.0", "<= 1.0"),
    "fast.follow.builtin": Promise("ms"),
    "fast.follow.flame_sized": Promise("ms"),
    "fast.detect_and_fit": Promise("frames/s", ">= 220", ">= 250"),
    "fast.photo": Promise("ms", "<= 150"),
    # The overlay, on one thread; on a GPU, where one can draw it.
    "draw.mesh": Promise("ms", "<= 3"),
    "draw.textured": Promise("ms", "<= 3"),
    "draw.mesh_720": Promise("ms", "<= 7"),
    "draw.textured_720": Promise("ms", "<= 7"),
    "draw.gpu.mesh": Promise("ms", "", "<= 0.5"),
    "draw.gpu.textured": Promise("ms", "", "<= 0.5"),
    "draw.gpu.mesh_720": Promise("ms"),
    "draw.gpu.textured_720": Promise("ms"),
    # The head's own maths, in a batch of one.
    "head.builtin.landmarks_compiled": Promise("ms", "<= 0.35"),
    "head.flame_sized.landmarks_compiled": Promise("ms", "<= 0.6"),
    "head.flame_sized.mesh.batch_1": Promise("ms", "<= 1.5"),
}


def keeps(value: float, promise: str) -> bool:
    """Does the value keep the promise? A number that could not be measured keeps none; no promise is always kept."""
    if not promise:
        return True
    if " to " in promise:
        low, high = (float(part) for part in promise.split(" to "))
        return low <= value <= high
    sign, bound = promise.split()
    return value <= float(bound) if sign == "<=" else value >= float(bound)
