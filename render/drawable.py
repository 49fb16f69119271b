"""What may go to the rasterisers of others, which clip where Mien drops, and stumble over what is not finite."""

import torch
from torch import Tensor


def drawable(clip: Tensor, triangles: Tensor) -> tuple[Tensor, Tensor]:
    """Vertices [V, 4] that are all finite and before the camera, and triangles [F, 3] of which those that are dropped
    have shrunk to a point: they keep their number and draw nothing. A GPU need not be waited for."""
    good = clip.isfinite().all(1) & (clip[:, 3] > 0)
    middle = torch.nn.functional.pad(clip.new_zeros(3), (0, 1), value=1.0)
    kept = good[triangles].all(1)
    return torch.where(good[:, None], clip, middle), torch.where(kept[:, None], triangles, triangles[:, :1])
