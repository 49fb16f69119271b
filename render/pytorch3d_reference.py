"""pytorch3d behind the door of `render/rasterizer.py`: another hand to check the others by, seconds a frame on a CPU.

It looks along +z with x to the left and y up, and its picture's shorter side spans 2; row 0 is the top one, pixels are
sampled at their centres, as ours. It weighs corners without perspective here, so that depth means z/w, clipped at our
near plane; perspective is put back afterwards. Its weights do not quite sum to 1 in small triangles.
"""

import torch
from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
from pytorch3d.structures import Meshes
from torch import Tensor

from render.drawable import drawable

ON_THE_EDGE = 1e-12  # squared distance: a centre on an edge belongs to a triangle, or meshes would have hairline gaps
NEAR = 1e-6  # it drops triangles that touch depth 0


def draw(clip: Tensor, triangles: Tensor, size: tuple[int, int]) -> Tensor:
    """float32 [V, 4] and integer [F, 3], F > 0 -> [H, W, 4]."""
    height, width = size
    vertices, kept = drawable(clip, triangles.long())
    shorter = min(height, width)
    x, y, z = (vertices[:, :3] / vertices[:, 3:]).unbind(1)
    flat = torch.stack((-x * width / shorter, y * height / shorter, z + 1 + NEAR), 1)
    faces, _, weights, _ = rasterize_meshes(
        Meshes([flat], [kept]),
        size,
        blur_radius=ON_THE_EDGE,
        faces_per_pixel=1,
        perspective_correct=False,
        z_clip_value=NEAR,
    )
    face, weights = faces[0, ..., 0], weights[0, ..., 0, :].clamp(0, 1)
    corners = kept[face.clamp_min(0)]
    weights = weights / weights.sum(-1, keepdim=True)
    depth = (weights * z[corners]).sum(-1)
    share = weights / vertices[corners, 3]
    u, v, _ = (share / share.sum(-1, keepdim=True)).unbind(-1)
    hit = (face >= 0) & (depth <= 1)
    return torch.where(hit[..., None], torch.stack((u, v, depth, face + 1.0), -1), 0.0)
