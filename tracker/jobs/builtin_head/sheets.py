"""Contact sheets of the built-in head for the documents: the head, each of its shapes at weight 1, random identities.

python -m tracker.jobs.builtin_head.sheets -o docs/
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES
from models.head import Head, pose_head, shape_head
from models.head_file import read_head
from models.types import HeadParams
from render.shading import View, draw_mesh
from render.sheet import contact_sheet, save_picture

Picture = NDArray[np.uint8]

HEAD_FILE = Path(__file__).parents[3] / "models" / "builtin" / "head.npz"
IDENTITIES = 24
CLOSE_M, PORTRAIT_M, WHOLE_M = 0.225, 0.29, 0.37  # what a picture's height spans
EYE_TURN_DEGREES = 22.0


def draw_head(
    head: Head,
    params: HeadParams,
    view: View,
    identity: torch.Tensor | None = None,
    size: int = 320,
    wireframe: bool = False,
) -> Picture:
    """One posed head, `size` pixels high."""
    code = head.zero_identity() if identity is None else identity
    vertices = pose_head(shape_head(head, code), params).vertices
    return draw_mesh(
        vertices.double().numpy(),
        head.triangles.numpy(),
        head.colours.double().numpy(),
        view,
        (size, size * 4 // 5),
        gloss=_gloss(head),
        wireframe=wireframe,
    )


def head_sheet(head: Head) -> Picture:
    """The neutral head from around, then yawning and with its eyes shut, then its triangles."""
    target = _middle(head)
    rest, yawn = head.zero_params(), named_motion(head, "jawOpen")
    shut = named_motion(head, "eyeBlinkLeft")
    shut = shut.with_(expression=shut.expression + named_motion(head, "eyeBlinkRight").expression)
    pictures = [
        (label, draw_head(head, params, View(yaw, pitch, target, WHOLE_M), size=420, wireframe=wire))
        for label, params, yaw, pitch, wire in (
            ("front", rest, 0, 0, False),
            ("three-quarter", rest, 40, 0, False),
            ("left", rest, 90, 0, False),
            ("back", rest, 180, 0, False),
            ("above", rest, 20, 45, False),
            ("below", rest, 20, -35, False),
            ("jawOpen 1", yawn, 25, 0, False),
            ("eyeBlink 1", shut, 25, 0, False),
            ("triangles", rest, 25, 0, True),
        )
    ]
    return contact_sheet(pictures, 3)


def expression_sheet(head: Head) -> Picture:
    """Every motion with an ARKit name at weight 1, from the front and three-quarters."""
    target = _face(head)
    pictures = []
    for name in ("neutral", *ARKIT_NAMES):
        params = named_motion(head, name)
        turned = -35.0 if name.endswith("Right") else 35.0  # towards the side that moves
        for yaw, label in ((0.0, name), (turned, "")):
            pictures.append((label, draw_head(head, params, View(yaw, 0, target, CLOSE_M), size=240)))
    return contact_sheet(pictures, 12)


def identity_sheet(head: Head, seed: int = 1) -> Picture:
    """Random people: every identity mode drawn from its own distribution."""
    draw = torch.Generator().manual_seed(seed)
    codes = torch.randn(IDENTITIES, head.identity_size, generator=draw)
    x, y, z = _face(head)
    view = View(20, 0, (x, y + 0.02, z - 0.06), PORTRAIT_M)
    pictures = [
        (f"{number + 1}", draw_head(head, head.zero_params(), view, code, size=288))
        for number, code in enumerate(codes)
    ]
    return contact_sheet(pictures, 8)


def named_motion(head: Head, name: str) -> HeadParams:
    """The pose in which one of ARKit's 52 coefficients is 1; mouthClose over an open jaw, as Apple defines it."""
    params = head.zero_params()
    opened = torch.stack([head.jaw_prior.high[0], torch.zeros(()), torch.zeros(())])
    if name in head.expression_names:
        weights = params.expression.clone()
        weights[head.expression_names.index(name)] = 1
        return params.with_(expression=weights, jaw=opened if name == "mouthClose" else params.jaw)
    if name == "jawOpen":
        return params.with_(jaw=opened)
    if name in ("jawLeft", "jawRight"):
        side = head.jaw_prior.high[1] if name == "jawLeft" else head.jaw_prior.low[1]
        return params.with_(jaw=torch.stack([torch.zeros(()), side, torch.zeros(())]))
    if name.startswith("eyeLook"):
        return params.with_(eyes=_gaze(name))
    return params


def _gaze(name: str) -> torch.Tensor:
    """One eye turned: [2, 3] axis-angle, x positive down, y positive to the subject's left."""
    left = name.endswith("Left")
    direction = name.removeprefix("eyeLook").removesuffix("Left").removesuffix("Right")
    towards_left = {"In": -1.0, "Out": 1.0}.get(direction, 0.0) * (1 if left else -1)
    down = {"Down": 1.0, "Up": -1.0}.get(direction, 0.0)
    eyes = torch.zeros(2, 3)
    eyes[0 if left else 1] = torch.tensor((down, towards_left, 0.0)) * math.radians(EYE_TURN_DEGREES)
    return eyes


def _middle(head: Head) -> tuple[float, float, float]:
    low, high = head.template.min(0).values, head.template.max(0).values
    return (0.0, float(low[1] + high[1]) / 2, float((low + high)[2]) / 2)


def _face(head: Head) -> tuple[float, float, float]:
    points = head.template[head.embedding.vertices[[10, 152], 0]].mean(0)
    return (0.0, float(points[1]) - 0.012, float(points[2]) - 0.01)


def _gloss(head: Head) -> NDArray[np.float64]:
    """Wet things shine."""
    gloss = np.full(head.vertex_count, 0.04)
    for region, vertices in head.regions.items():
        if region.startswith(("eye", "iris", "pupil", "sclera", "teeth", "tongue")):
            gloss[vertices.numpy()] = 0.5
    return gloss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs"), help="folder for the pictures")
    parser.add_argument("--head", type=Path, default=HEAD_FILE, help="the head's file")
    arguments = parser.parse_args()
    head = read_head(arguments.head)
    for name, sheet in (("head", head_sheet), ("expressions", expression_sheet), ("identities", identity_sheet)):
        if name == "identities" and not head.identity_size:
            continue
        save_picture(sheet(head), arguments.output / f"{name}.jpg")
        print(f"wrote {arguments.output / name}.jpg")


if __name__ == "__main__":
    main()
