"""The fit's weights, each with its reason. Distances between landmarks are parts of the inter-ocular distance (IOD)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FitConfig:
    landmark_std_iod: float = 0.006
    # How far the detector's points stray from any head, point by point.
    independent_points: float = 60.0
    # The detector's noise is correlated: 478 points say as much as about 60 independent ones.
    robust_iod: float = 0.06
    # Beyond about this distance a point is more likely wrong (a hand, hair) than far off.
    cold_widening: tuple[float, ...] = (8.0, 1.0)
    # From nothing every point is far off: it begins with so many times that distance.
    gap_std_iod: float = 0.004
    # How exactly the gaps between lids and between lips are to be met; each of the pairs counts in full.
    outline_weight: float = 0.1
    # Outline and hairline slide over the skin as the head turns.
    unseen: tuple[int, ...] = ()
    # Landmarks that are not looked at: how well they are guessed tells how good the head is.
    limit_std: float = 0.05
    # Beyond its limits a weight is held back this hard.
    vergence_std: float = 0.05
    # Radians that the two eyes' gaze may differ by, sideways; up and down they turn together.
    gaze_pitch_std: float = 0.02
    focal_log_std: float = 0.25
    # A webcam's diagonal is about 60 degrees, and rarely off by more than a quarter.


@dataclass(frozen=True)
class LiveConfig(FitConfig):
    """What the fit of a frame adds: its steps, and time."""

    warm_iterations: int = 3
    cold_iterations: int = 12
    damping: float = 1e-6
    small_gain: float = 0.1
    # A step that promises to lower the energy by less than this part of it is the last.
    limit_rounds: int = 3
    # A step meets limits on its way, so often at most.
    robust_misses: float = 4.0
    # A head that fits no better takes at least so many times its median miss for ordinary.
    process_noise: float = 0.005
    # By how much of a frame's own variance a parameter of a face at rest may drift in a thirtieth of a second,
    stirred_noise: float = 0.002
    # and by how much more for each unit of the energy of the whole face's move: who stirs a little stirs all over.
    gate: float = 2.0
    # A parameter that moved by more than this many variances is believed.
    hold: float = 0.8
    # What the landmarks of a thirtieth of a second ago say of a still face, beside those of now, which say 1.
    still_shape: float = 1.0
    still_camera: float = 6.0
    # Still is what shifts the landmarks by no more than this energy: one parameter, and the camera's six together.
    common_shift_iod: float = 0.003
    # The detector moves all its points together by about this much from picture to picture.
