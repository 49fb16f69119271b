"""How long a head's maths takes: the whole mesh, and the landmarks with their Jacobian, on one thread."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from models.head import Head, pose_head, shape_head
from models.landmark_rows import landmark_rows, view_landmarks
from models.library import load_head
from models.types import Camera, Embedding, HeadParams, Prior
from tracker.jacobian_kernel import linearise
from tracker.jobs.bench import Row, Settings, Tell, median_ms
from tracker.solver_kernel import KernelRows, KernelSeen
from tracker.unknowns import Layout

FLAME_VERTICES, FLAME_IDENTITIES, FLAME_EXPRESSIONS = 5023, 300, 100
FOCAL_PX, CENTRE_PX, DISTANCE_M = 600.0, 256.0, 0.5


def measure_heads(settings: Settings, tell: Tell) -> Iterator[Row]:
    torch.set_num_threads(1)
    builtin = load_head()
    heads = {"builtin": builtin, "flame_sized": flame_sized(builtin)}
    for done, (name, head) in enumerate(heads.items(), 1):
        yield Row(f"head.{name}.landmarks_compiled", compiled_ms(head), "ms")
        for batch in (1, 64):
            yield Row(f"head.{name}.landmarks.batch_{batch}", landmarks_ms(head, batch), "ms")
        yield Row(f"head.{name}.mesh.batch_1", mesh_ms(head, 1), "ms")
        yield Row(f"head.{name}.mesh.batch_64", mesh_ms(head, 64), "ms")
        tell(done, len(heads))


def mesh_ms(head: Head, batch: int) -> float:
    shaped = shape_head(head, head.zero_identity())
    params = some_params(head, batch)
    return median_ms(lambda: pose_head(shaped, params))


def landmarks_ms(head: Head, batch: int) -> float:
    """The general path, in torch: any batch, device and set of unknowns."""
    rows = landmark_rows(head, head.zero_identity())
    params, camera = some_params(head, batch), some_camera(batch)
    return median_ms(lambda: view_landmarks(rows, params, camera))


def compiled_ms(head: Head) -> float:
    """The compiled pass of the live fit: residuals and weights come with the landmarks and the Jacobian."""
    rows = landmark_rows(head, head.zero_identity())
    params, camera = some_params(head, 1), some_camera(1)
    state = Layout(rows.columns).pack(params, camera)[0].numpy()
    observed = view_landmarks(rows, params, camera, jacobian=False).points_px[0].numpy() + np.float32(1)
    share = np.ones(len(observed), np.float32)
    centre = camera.principal_px[0].numpy()
    kernel = KernelRows.of(rows)
    seen = KernelSeen(observed, share, centre, np.float32(1), np.float32(9))
    return median_ms(lambda: linearise(kernel, seen, state))


def some_params(head: Head, batch: int) -> HeadParams:
    """Everything moves a little, so that nothing is skipped."""
    random = torch.Generator().manual_seed(0)

    def small(*shape: int) -> torch.Tensor:
        return 0.1 * torch.randn(batch, *shape, generator=random)

    return replace(head.zero_params((batch,)), expression=small(head.expression_size), jaw=small(3), eyes=small(2, 3))


def some_camera(batch: int) -> Camera:
    """Looking at the face from the front."""
    rotation = torch.diag(torch.tensor((1.0, -1.0, -1.0))).expand(batch, 3, 3)
    translation = torch.tensor((0.0, 0.0, DISTANCE_M)).expand(batch, 3)
    return Camera(rotation, translation, torch.full((batch,), FOCAL_PX), torch.full((batch, 2), CENTRE_PX))


def flame_sized(head: Head) -> Head:
    """The head with FLAME's numbers of vertices and modes, and modes of noise: right for timing alone."""
    random = torch.Generator().manual_seed(0)
    picked = torch.linspace(0, head.vertex_count - 1, FLAME_VERTICES).round().long()

    def noise(columns: int) -> torch.Tensor:
        return 1e-3 * torch.randn(FLAME_VERTICES, 3, columns, generator=random)

    regressor = head.joint_regressor[:, picked]
    nearest = torch.searchsorted(picked, head.embedding.vertices).clamp(max=FLAME_VERTICES - 1)
    return replace(
        head,
        name="as large as FLAME",
        template=head.template[picked],
        identity_basis=noise(FLAME_IDENTITIES),
        expression_basis=noise(FLAME_EXPRESSIONS),
        expression_names=tuple(f"shape{k}" for k in range(FLAME_EXPRESSIONS)),
        expression_prior=Prior(*torch.zeros(3, FLAME_EXPRESSIONS)),
        pose_basis=noise(36),
        joint_regressor=regressor / regressor.sum(1, keepdim=True).clamp(min=1e-6),
        skinning_weights=head.skinning_weights[picked],
        embedding=Embedding(nearest, head.embedding.weights),
    )
