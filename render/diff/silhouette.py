"""Antialiased silhouettes, whose place in the picture then has a gradient (as in Laine et al. 2020, nvdiffrast).

Between two neighbouring pixels that see different triangles, the outline of the nearer one crosses the line between
their centres. Where it crosses beyond the middle, the far pixel is partly covered and takes some of the near
one's colour; where it crosses before, the near pixel takes some of the far one's.
"""

import torch
from torch import Tensor

from render.diff.hits import Hits

NOTHING = -1


def antialias(picture: Tensor, hits: Hits, clip: Tensor, triangles: Tensor) -> Tensor:
    """The picture [H, W, C] with its silhouettes smoothed; differentiable in colours and in clip [V, 4]."""
    height, width = hits.size
    seen = hits.pixels.new_full((height * width,), NOTHING).index_copy(0, hits.pixels, hits.triangles)
    depth = hits.depth.new_full((height * width,), torch.inf).index_copy(0, hits.pixels, hits.depth)
    w = clip[:, 3:]
    scale, middle = clip.new_tensor((width / 2, -height / 2)), clip.new_tensor((width / 2, height / 2))
    points_px = clip[:, :2] / torch.where(w > 0, w, 1.0) * scale + middle
    outline = _outline_edges(points_px.detach(), triangles)
    index = torch.arange(height * width, device=clip.device).reshape(height, width)
    flat = picture.flatten(0, 1)
    change = torch.zeros_like(flat)
    for axis, (first, second) in enumerate(((index[:, :-1], index[:, 1:]), (index[:-1], index[1:]))):
        a, b = first.flatten(), second.flatten()
        differ = seen[a] != seen[b]
        a, b = a[differ], b[differ]
        near_is_a = depth[a] <= depth[b]
        near, far = torch.where(near_is_a, a, b), torch.where(near_is_a, b, a)
        crossing, crossed = _crossings(seen[near], near, far, axis, width, points_px, triangles, outline)
        near, far, crossing = near[crossed], far[crossed], crossing[crossed]
        covered = (crossing - 0.5).clamp_min(0)[:, None] * (flat[near] - flat[far])
        bared = (0.5 - crossing).clamp_min(0)[:, None] * (flat[far] - flat[near])
        change = change.index_add(0, far, covered).index_add(0, near, bared)
    return (flat + change).reshape(picture.shape)


def _crossings(
    triangle: Tensor,
    near: Tensor,
    far: Tensor,
    axis: int,
    width: int,
    points_px: Tensor,
    triangles: Tensor,
    outline: Tensor,
) -> tuple[Tensor, Tensor]:
    """Where from the near centre (0) to the far one (1) the near triangle's outline runs, and whether it does."""
    along, across = (0, 1) if axis == 0 else (1, 0)
    start = torch.stack((near % width, torch.div(near, width, rounding_mode="floor")), -1).to(points_px) + 0.5
    sign = torch.where(far > near, 1.0, -1.0).to(points_px)
    where = points_px.new_full((len(near),), 2.0)
    found = torch.zeros_like(near, dtype=torch.bool)
    for edge in range(3):
        p, q = (points_px[triangles[triangle, (edge + k) % 3]] - start for k in (0, 1))
        rise = q[:, across] - p[:, across]
        meets = (p[:, across] > 0) != (q[:, across] > 0)
        share = -p[:, across] / torch.where(meets, rise, 1.0)
        at = sign * (p[:, along] + share * (q[:, along] - p[:, along]))
        good = meets & outline[triangle, edge] & (at.detach() >= 0) & (at.detach() <= 1) & ~found
        where, found = torch.where(good, at, where), found | good
    return where, found & (triangle != NOTHING)


def _outline_edges(points_px: Tensor, triangles: Tensor) -> Tensor:
    """[F, 3] whether the surface ends or folds over at each edge, as seen in the picture."""
    a, b, c = (points_px[triangles[:, k]] for k in range(3))
    ab, ac = b - a, c - a
    turned = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0] > 0
    ends = torch.stack([triangles[:, (k, (k + 1) % 3)] for k in range(3)], 1).flatten(0, 1)  # [3F, 2]
    low, high = ends.amin(1), ends.amax(1)
    _, edge = torch.unique(low * (len(points_px) + 1) + high, return_inverse=True)
    side = turned.repeat_interleave(3).to(points_px)
    count, facing = (points_px.new_zeros(int(edge.max()) + 1 if len(edge) else 0) for _ in range(2))
    count = count.index_add(0, edge, torch.ones_like(side))
    facing = facing.index_add(0, edge, side)
    inner = (count > 1) & ((facing == 0) | (facing == count))
    return ~inner[edge].reshape(-1, 3)
