"""How far a head is turned in a picture, as the detector's depth has it: where no frame before tells whose head it is.

Of a head turned by 60 degrees the detector's points lie in the picture as of one turned by 45 (on filmed people), and
the fit, free to shape the head, follows them. Its depth of those points is that of the true turn within some 5 degrees.
Of a head that looks at the camera it is the other way round: depth nods, points do not. So depth holds the rotation of
a head that is turned far, and says nothing of one that is not. With a known person the points alone tell the turn.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.rotations import axis_angle_from_matrix
from tracker.solver import Linearise, Normal
from tracker.unknowns import Layout

BEGINS, WHOLE = math.radians(25.0), math.radians(45.0)  # of the turn away from the camera
STD = math.radians(0.3)  # held


@dataclass(frozen=True)
class DepthTurn:
    rotation: Tensor  # [N, 3, 3] of T_camera_head
    precision: Tensor  # [N]

    @staticmethod
    def of(rotation: Tensor) -> "DepthTurn":
        """From rotations [N, 3, 3] that lay a head on the detector's points and their depth."""
        turned = torch.acos((-rotation[:, 2, 2]).clamp(-1, 1))  # the head's z against the line to the camera
        share = ((turned - BEGINS) / (WHOLE - BEGINS)).clamp(0, 1)
        return DepthTurn(rotation, share * share * (3 - 2 * share) / STD**2)

    def holding(self, linearise: Linearise, layout: Layout) -> Linearise:
        """The same energy with this said of the rotation."""
        columns = layout.columns.rotation

        def held(state: Tensor) -> Normal:
            normal = linearise(state)
            rotation = layout.unpack(state, state.new_zeros(len(state), 2)).camera.rotation
            missing = axis_angle_from_matrix(self.rotation @ rotation.transpose(1, 2))  # [N, 3]
            hessian, gradient = normal.hessian.clone(), normal.gradient.clone()
            hessian[:, columns, columns] += self.precision[:, None, None] * torch.eye(3).to(hessian)
            gradient[:, columns] -= self.precision[:, None] * missing
            error = self.precision * missing.square().sum(1)
            return replace(
                normal,
                hessian=hessian,
                gradient=gradient,
                error_by_term={**normal.error_by_term, "depth": error},
            )

        return held
