"""The small pictures that `test_golden.py` compares with: what the built-in head looks like in every overlay mode.

`python -m tests.render.golden_pictures` draws them anew. Look at them before they are kept.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from models.arkit import arkit_params
from models.arkit_names import ARKIT_NAMES
from models.builtin import load_builtin
from models.camera import camera_points, facing_camera, project
from models.head import embed, pose_head, shape_head
from models.rotations import matrix_from_axis_angle
from models.types import Camera, Identity, Landmarks, State, TrackResult
from render.modes import OverlayMode
from render.overlay import OverlayRenderer
from render.texture import Texture

FOLDER = Path(__file__).parent / "golden"
SIDE = 96
DRAWN: tuple[OverlayMode, ...] = ("mesh", "wireframe", "textured", "landmarks", "side_by_side")
WEIGHTS = {"jawOpen": 0.25, "mouthSmileLeft": 0.7, "mouthSmileRight": 0.7, "browInnerUp": 0.5, "eyeBlinkLeft": 0.8}
POSES = {"left": (0.1, -0.5, 0.05), "up": (-0.35, 0.2, -0.15)}  # axis-angles in the head frame

Picture = NDArray[np.uint8]


def golden_pictures() -> dict[str, Picture]:
    """[96, 96, 3] by name."""
    head = load_builtin()
    code = 0.8 * torch.randn(head.identity_size, generator=torch.Generator().manual_seed(11))
    identity = Identity(code, 110.0, (SIDE, SIDE), head.name, head.sha256)
    renderer, shaped = OverlayRenderer(head), shape_head(head, code)
    weights = torch.tensor([WEIGHTS.get(name, 0.0) for name in ARKIT_NAMES])
    params = arkit_params(head, weights)
    points = embed(head.embedding, pose_head(shaped, params).vertices)
    pictures = {}
    for pose, turn in POSES.items():
        facing = facing_camera(SIDE, SIDE, 0.34, 110.0)
        rotation = facing.rotation @ matrix_from_axis_angle(torch.tensor(turn))
        camera = Camera(rotation, facing.translation, facing.focal_px, facing.principal_px)
        fitted = project(camera, points).numpy()
        seen = fitted + np.float32(0.7) * np.sin(np.arange(fitted.size, dtype=np.float32)).reshape(fitted.shape)
        result = TrackResult(
            index=0,
            time_s=0.0,
            size_px=(SIDE, SIDE),
            state=State.TRACKING,
            params=params,
            camera=camera,
            landmarks=Landmarks(seen, np.zeros(len(seen), np.float32), (SIDE, SIDE), 1.0),
            fitted_px=fitted,
            fitted_m=camera_points(camera, points).numpy(),
            blendshapes=weights.numpy(),
            error_iod=0.01,
            detect_ms=1.0,
            fit_ms=1.0,
        )
        for mode in DRAWN:
            pictures[f"{mode}_{pose}"] = renderer.draw(_backdrop(), result, identity, mode, False, _skin())
    return pictures


def _skin() -> Texture:
    """Checks of two tones, lit from above and the left."""
    y, x = np.mgrid[:128, :128]
    checks = ((x // 8 + y // 8) % 2)[..., None]
    light = np.zeros((9, 3), np.float32)
    light[:4] = np.array((2.6, -0.8, -0.9, -0.6), np.float32)[:, None] * np.array((1.0, 0.95, 0.9), np.float32)
    return Texture(np.asarray(checks * (200, 150, 130) + (1 - checks) * (150, 100, 85), np.uint8), light)


def _backdrop() -> Picture:
    """Something to be translucent over: stripes of two colours that change from side to side."""
    y, x = np.mgrid[:SIDE, :SIDE]
    stripes = ((x + y) // 12 % 2)[..., None]
    shade = np.stack((x, y, SIDE - x), -1) * (100 / SIDE)
    return np.asarray(60 + shade + 50 * stripes, np.uint8)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, picture in golden_pictures().items():
        Image.fromarray(picture).save(FOLDER / f"{name}.png", optimize=True)
        print(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
