"""The table of errors on people left out: the fit behind it, on a clip whose answer is known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.builtin import load_builtin
from models.landmark_rows import landmark_rows, view_landmarks
from models.rotations import matrix_from_axis_angle
from models.types import Camera, Landmarks
from tracker.config import LiveConfig
from tracker.jobs.builtin_head.leave_out import PARTS, Clip, fit_clip, main

FRAMES, SIZE = 24, (1280, 720)


def clip(noise_px: float) -> Clip:
    """Somebody who talks, smiles and turns a little, as the built-in head."""
    head, draw = load_builtin(), torch.Generator().manual_seed(8)
    identity = torch.randn(head.identity_size, generator=draw)
    time = torch.linspace(0, 6.28, FRAMES)
    params = head.zero_params((FRAMES,))
    smile = [head.expression_names.index(f"mouthSmile{side}") for side in ("Left", "Right")]
    params.expression[:, smile] = (0.4 - 0.4 * time.cos())[:, None]
    params.jaw[:, 0] = 0.1 - 0.1 * (3 * time).cos()
    yaw = torch.stack([torch.zeros(FRAMES), 0.3 * time.sin(), torch.zeros(FRAMES)], 1)
    upside_down = torch.diag(torch.tensor((1.0, -1.0, -1.0)))  # cameras look down at y
    camera = Camera(
        rotation=upside_down @ matrix_from_axis_angle(yaw),
        translation=torch.tensor((0.02, 0.01, 0.6)).expand(FRAMES, 3),
        focal_px=torch.full((FRAMES,), 1200.0),
        principal_px=torch.tensor((SIZE[0] / 2, SIZE[1] / 2)).expand(FRAMES, 2),
    )
    view = view_landmarks(landmark_rows(head, identity), params, camera, jacobian=False)
    points = view.points_px + noise_px * torch.randn(view.points_px.shape, generator=draw)
    depth = (view.camera_m[..., 2] - 0.6) * 1200 / 0.6
    frames = [Landmarks(p.numpy(), d.numpy(), SIZE, 1.0) for p, d in zip(points, depth, strict=True)]
    return Clip("made_up", frames)


def test_somebody_within_the_head_is_fitted_almost_exactly() -> None:
    errors = fit_clip(load_builtin(), clip(0.0), LiveConfig())
    assert set(errors) == set(PARTS)
    for part, values in errors.items():
        assert values.shape == (FRAMES,)
        assert np.median(values) < 0.002, part


def test_noise_shows_in_the_error() -> None:
    """Noise of a pixel is 1.25 pixels of mean distance, of which a fit with few unknowns removes little."""
    frames = clip(1.0)
    eyes = np.linalg.norm(frames.frames[0].points_px[33] - frames.frames[0].points_px[263])
    error = float(np.median(fit_clip(load_builtin(), frames, LiveConfig())["all"]))
    assert 0.8 < error * eyes < 1.4


def test_a_folder_without_faces_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--faces", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
