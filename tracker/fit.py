"""Pictures of one person, solved together from nothing: identity, lens, and each picture's expression and pose."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.camera import default_focal_px
from models.head import Head, embed
from models.landmark_rows import LandmarkRows, landmark_rows, view_landmarks
from models.types import Camera, HeadParams, Identity, Landmarks
from tracker.compiled_energy import compiled_energy, work_space
from tracker.config import FitConfig
from tracker.depth_turn import DepthTurn
from tracker.pose import first_camera, iod_px
from tracker.residuals import Observed, Priors, mean_error_iod
from tracker.solver import Linearise, SolveInfo, SolverConfig, solve_jointly
from tracker.unknowns import Layout
from tracker.weights import PointWeights

ROUGH_ITERATIONS = 5  # while points that are far off are still believed


@dataclass(frozen=True)
class PersonFit:
    """What pictures of one person told."""

    identity: Identity
    params: HeadParams  # [N]
    camera: Camera  # [N]
    fitted_px: Tensor  # [N, L, 2]
    fitted_m: Tensor  # [N, L, 3]
    error_iod: Tensor  # [N]
    info: SolveInfo


class PersonFitter:
    """Holds what depends on the head alone, so that the next picture costs only its own solve.

    And work space: one a session, never shared by threads.
    """

    def __init__(self, head: Head, config: FitConfig | None = None, solver: SolverConfig | None = None) -> None:
        self.head = head
        self.config = config or FitConfig()
        self.solver = solver or SolverConfig(iterations=15, damping=1e-3)
        self.rows: LandmarkRows = landmark_rows(head)  # identity still open
        self._space = work_space(self.rows)
        self.layout = Layout(self.rows.columns)
        self.priors = Priors.of(head, self.rows.columns, self.config)
        self.weights = PointWeights(head, self.config)
        self.neutral = embed(head.embedding, head.template)  # [L, 3]

    def neutral_of(self, shape: Tensor) -> Tensor:
        """The landmarks [L, 3] of an identity [S] at rest, in the head frame."""
        return self.neutral + embed(self.head.embedding, self.head.identity_basis @ shape)

    def first_state(
        self, landmarks: Landmarks, identity: Tensor | None = None, focal_px: float | None = None
    ) -> Tensor:
        """A state [1, D] at rest, where the detector saw the head."""
        code = self.head.zero_identity() if identity is None else identity
        camera = first_camera(self.neutral, landmarks, focal_px)
        return self.layout.pack(self.head.zero_params((1,)), camera, code[None])

    def observe(self, pictures: Sequence[Landmarks], states: Tensor, focal_px: float | None = None) -> Observed:
        """`focal_px` as known for these pictures, or an ordinary lens."""
        points = torch.from_numpy(np.stack([picture.points_px for picture in pictures]))
        sizes = [picture.size_px for picture in pictures]
        rotations = self.layout.unpack(states, states.new_zeros(len(states), 2)).camera.rotation.numpy()
        weights = [self.weights.at(turn, seen.points_px) for turn, seen in zip(rotations, pictures, strict=True)]
        return Observed(
            points_px=points,
            iod_px=points.new_tensor([iod_px(picture) for picture in pictures]),
            weights=torch.from_numpy(np.stack(weights)),
            principal_px=points.new_tensor([(width / 2, height / 2) for width, height in sizes]),
            focal_px=points.new_tensor([focal_px or default_focal_px(*size) for size in sizes]),
        )

    def energy(
        self, observed: Observed, shared_by: int = 1, one_lens: bool = True, config: FitConfig | None = None
    ) -> Linearise:
        """Of pictures with identity and lens among the unknowns, whose priors `shared_by` pictures share."""
        return compiled_energy(
            self._space, self.layout, self.priors, config or self.config, observed, shared_by, one_lens
        )

    @torch.inference_mode()
    def fit(self, pictures: Sequence[Landmarks], depth_tells_turn: bool = False) -> PersonFit:
        """One identity for all the pictures; one lens where they are of one size. `depth_tells_turn` of a single
        picture which no other will follow: see `DepthTurn`."""
        states = torch.cat([self.first_state(picture) for picture in pictures])
        observed = self.observe(pictures, states)
        turn = DepthTurn.of(self.layout.unpack(states, observed.principal_px).camera.rotation)
        one_lens = len({picture.size_px for picture in pictures}) == 1
        shared = self.layout.shared() if one_lens else self.layout.shared()[:-1]
        for widening in self.config.cold_widening:
            config = replace(self.config, robust_iod=widening * self.config.robust_iod)
            linearise = self.energy(observed, len(pictures), one_lens, config)
            if depth_tells_turn and len(pictures) == 1:  # several, of different sides, tell the turn by themselves
                linearise = turn.holding(linearise, self.layout)
            last = widening == self.config.cold_widening[-1]
            solver = self.solver if last else replace(self.solver, iterations=ROUGH_ITERATIONS)
            states, info = solve_jointly(linearise, self.layout.retract, states, shared, solver)
        found = self.layout.unpack(states, observed.principal_px)
        assert found.identity is not None
        view = view_landmarks(self.rows, found.params, found.camera, found.identity, jacobian=False)
        return PersonFit(
            identity=self.identity(found.identity[0], float(found.camera.focal_px[0]), pictures[0].size_px),
            params=found.params,
            camera=found.camera,
            fitted_px=view.points_px,
            fitted_m=view.camera_m,
            error_iod=mean_error_iod(view.points_px, observed),
            info=info,
        )

    def identity(self, shape: Tensor, focal_px: float, size_px: tuple[int, int]) -> Identity:
        return Identity(shape.clone(), focal_px, size_px, self.head.name, self.head.sha256)
