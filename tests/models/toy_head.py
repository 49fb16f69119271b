"""A small head with every feature a head can have, from a seed: for tests of the maths, not a likeness of anybody."""

import torch

from models.head import Head
from models.types import LANDMARK_COUNT, Embedding, Prior


def toy_head(vertices: int = 200, shapes: int = 7, expressions: int = 9, seed: int = 0) -> Head:
    random = torch.Generator().manual_seed(seed)

    def normal(*size: int, scale: float = 1.0) -> torch.Tensor:
        return scale * torch.randn(*size, generator=random, dtype=torch.float64)

    def simplex(*size: int) -> torch.Tensor:
        return torch.softmax(3 * normal(*size), -1)

    skinning = simplex(vertices, 5)
    skinning[: vertices // 4] = torch.tensor((0.0, 1.0, 0.0, 0.0, 0.0))  # some vertices hang on one joint alone
    skinning[vertices // 4 : vertices // 3] = torch.tensor((0.0, 0.0, 0.0, 1.0, 0.0))
    spots = torch.randint(vertices, (LANDMARK_COUNT, 3), generator=random)
    wide = Prior(torch.ones(expressions).double(), -torch.ones(expressions).double(), torch.ones(expressions).double())
    joint = Prior(*torch.tensor(((0.1,) * 3, (-0.5,) * 3, (0.5,) * 3), dtype=torch.float64))
    return Head(
        name="toy",
        licence="none",
        sha256="",
        template=normal(vertices, 3, scale=0.08),
        identity_basis=normal(vertices, 3, shapes, scale=0.003),
        expression_basis=normal(vertices, 3, expressions, scale=0.004),
        expression_names=tuple(f"shape{k}" for k in range(expressions)),
        joint_regressor=simplex(5, vertices),
        skinning_weights=skinning,
        pose_basis=normal(vertices, 3, 36, scale=0.002),
        triangles=torch.randint(vertices, (2 * vertices, 3), generator=random),
        uvs=torch.rand(vertices, 2, generator=random, dtype=torch.float64),
        uv_triangles=torch.randint(vertices, (2 * vertices, 3), generator=random),
        embedding=Embedding(spots, simplex(LANDMARK_COUNT, 3)),
        expression_prior=wide,
        jaw_prior=joint,
        eyes_prior=joint,
        regions={"face": torch.arange(vertices // 2)},
        colours=torch.rand(vertices, 3, generator=random, dtype=torch.float64),
    )
