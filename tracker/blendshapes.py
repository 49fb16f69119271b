"""A tracked frame's 52 ARKit weights, for a head of any kind.

Most are read from the detected landmarks by what the detector shows of each motion (`models.arkit_learned`), the
eyeLook from the eyes. The few that nobody has taught (jawForward, mouthClose, mouthShrugUpper) follow from the head's
own shapes, or, where it has none of Apple's, from geometry (`models.arkit`).
"""

import numpy as np
from numpy.typing import NDArray

from models.arkit import FULL_LOOK, ArkitSolver, arkit_solver, look_map, named_map, speaks_arkit
from models.arkit_learned import OUTER_CORNERS, SKIN, background, load_learned, shown_in_head
from models.builtin import load_builtin
from models.head import Head
from models.types import Camera, HeadParams, Identity, Landmarks

Floats = NDArray[np.float32]


class BlendshapeReader:
    """Keeps the last weights to start the next solve from: one a session."""

    def __init__(self, head: Head, identity: Identity) -> None:
        self._learned = load_learned()
        self._rest = landmarks_at_rest(head, identity)
        self._unit = float(np.linalg.norm(self._rest[OUTER_CORNERS[0]] - self._rest[OUTER_CORNERS[1]]))
        self._last: NDArray[np.float64] | None = None
        self._solved: NDArray[np.float64] | None = None
        self._solver: ArkitSolver | None = None
        self._looks = look_map().numpy()
        self._map: Floats | None = None
        if speaks_arkit(head):
            self._map = named_map(head).numpy()
        else:
            self._solver = arkit_solver(head, identity.shape, load_builtin())

    def read(self, params: HeadParams, camera: Camera, fitted_m: Floats, seen: Landmarks) -> Floats:
        """[52] in the order of `models.arkit_names`. Camera and fitted_m [L, 3] are the fit's own, the eyes as told."""
        rotation, eyes = camera.rotation.numpy(), params.eyes.numpy()
        out = self._by_geometry(params, camera, fitted_m)
        offsets = (shown_in_head(seen, camera, fitted_m) - self._rest[SKIN]) / np.float32(self._unit)
        beside = background(rotation, eyes[:, :2].mean(0) / FULL_LOOK)
        self._solved = self._learned.solve(offsets.ravel(), beside, self._solved)
        out[self._learned.solved] = self._solved
        return out

    def _by_geometry(self, params: HeadParams, camera: Camera, fitted_m: Floats) -> Floats:
        eyes = params.eyes.numpy().ravel()
        if self._map is not None:
            motion = np.concatenate((params.expression.numpy(), params.jaw.numpy(), eyes))
            return np.asarray(np.minimum(np.maximum(self._map @ motion, 0), 1), np.float32)
        assert self._solver is not None
        looks = np.clip(self._looks @ eyes, 0, 1)
        in_head = (fitted_m - camera.translation.numpy()) @ camera.rotation.numpy()
        self._last = self._solver.solve(in_head.astype(np.float64), looks.astype(np.float64), self._last)
        return self._last.astype(np.float32)


def landmarks_at_rest(head: Head, identity: Identity) -> Floats:
    """[L, 3] in the head frame."""
    corners = head.embedding.vertices
    shaped = head.template[corners] + head.identity_basis[corners] @ identity.shape.to(head.template)
    return np.asarray((shaped * head.embedding.weights[..., None]).sum(1).cpu().numpy(), np.float32)
