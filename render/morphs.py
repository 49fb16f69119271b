"""A person's head as a resting mesh and 52 morph targets with Apple's names, which is what other programs can play.

Other programs only add: positions = rest + sum of weights x targets. Jaw and eyes turn in truth, so their targets are
straight lines to where they end at 1; between, jaw and eyeballs cut the corner by a millimetre or two at most.

A head whose expressions are its own (FLAME) is treated as a mesh of that person: the built-in head is fitted to it and
lends it the 52 shapes, as `mien heads import` does with a scan.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.arkit import arkit_params, speaks_arkit
from models.arkit_names import ARKIT_NAMES
from models.head import Head, pose_head, shape_head
from models.types import HeadParams, Identity, MienError
from render.borrowed import borrowed_head

Floats = NDArray[np.float32]

CLOSE, OPEN = ARKIT_NAMES.index("mouthClose"), ARKIT_NAMES.index("jawOpen")
SMALLEST_M = 1e-6  # less than this a target does not move a vertex: a thousandth of what can be seen


@dataclass(frozen=True)
class Morphs:
    rest: Floats  # [V, 3] the face at rest
    targets: Floats  # [52, V, 3] metres a weight of 1, in the order of `models.arkit_names`
    joints: Floats  # [J, 3] of the unposed head

    def posed(self, weights: Floats) -> Floats:
        """[52] -> [V, 3] as other programs will show it."""
        return np.asarray(self.rest + np.tensordot(weights, self.targets, 1), np.float32)


def arkit_morphs(head: Head, identity: Identity) -> Morphs:
    """Weights are as told: relative to the person's face at rest, where that is known."""
    _check(head, identity)
    head, code = head.to("cpu"), identity.shape.detach().cpu().to(head.template.dtype)
    if not speaks_arkit(head):
        head = borrowed_head(head, code)
        code = head.zero_identity()
    shaped = shape_head(head, code)
    one_each = torch.eye(len(ARKIT_NAMES), dtype=head.template.dtype)
    one_each[CLOSE, OPEN] = 1.0  # lips that close over an open jaw

    def mesh(weights: Tensor) -> Tensor:
        return pose_head(shaped, arkit_params(head, weights)).vertices

    with torch.inference_mode():
        zero = mesh(one_each.new_zeros(len(ARKIT_NAMES)))
        targets = torch.stack([mesh(weights) - zero for weights in one_each])
        targets[CLOSE] -= targets[OPEN]
        targets[targets.abs().amax(2) < SMALLEST_M] = 0.0
        resting = rest_weights(identity).to(zero)
        rest = mesh(resting)
    targets = targets * (1 - resting)[:, None, None]
    return Morphs(*(np.ascontiguousarray(t.numpy(), np.float32) for t in (rest, targets, shaped.joints)))


def _check(head: Head, identity: Identity) -> None:
    code = identity.shape
    if code.shape != (head.identity_size,) or not code.isfinite().all():
        raise MienError(
            f"expected {head.identity_size} finite numbers as the identity of '{head.name}', got "
            f"{list(code.shape)} with {int((~code.isfinite()).sum())} that are not; track the person again"
        )


def rest_weights(identity: Identity) -> Tensor:
    """[52] of the person's face at rest."""
    known = identity.neutral is not None and identity.neutral.shape == (len(ARKIT_NAMES),)
    return identity.neutral.detach().cpu() if known and identity.neutral is not None else torch.zeros(len(ARKIT_NAMES))


def morph_loss_mm(
    head: Head, identity: Identity, morphs: Morphs, params: HeadParams, weights: Floats
) -> dict[str, float]:
    """What the morph targets lose against the full mesh over frames: params with a leading [T], weights [T, 52].

    Root mean square over vertices of the distance, median and largest over frames; millimetres.
    """
    shaped = shape_head(head.to("cpu"), identity.shape.to("cpu"))
    away = []
    with torch.inference_mode():
        for frame, told in enumerate(weights):
            full = pose_head(shaped, params[frame]).vertices.numpy()
            away.append(1e3 * float(np.sqrt(((full - morphs.posed(told)) ** 2).sum(1).mean())))
    return {"median": float(np.median(away)), "largest": float(np.max(away))}
