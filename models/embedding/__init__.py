"""Where landmarks and joints sit on any head's surface, found by fitting the built-in head to it.

`find_embedding` gives the landmarks alone, `fit_builtin` everything that was found. No renderer is needed, and
a head of 27,000 vertices takes some seconds.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from models.embedding.fit import Fit, fit_template
from models.embedding.mesh import Floats, Ids
from models.embedding.template import Template, make_template
from models.head import Head
from models.head_file import read_head
from models.known_landmarks import KnownLandmarks
from models.types import Embedding

__all__ = ["Fit", "find_embedding", "fit_builtin"]

BUILTIN = Path(__file__).parents[1] / "builtin" / "head.npz"


def fit_builtin(
    vertices: Floats,
    triangles: Ids,
    known: Floats | None = None,
    known_std_m: float = 0.0025,
    head: Head | None = None,
) -> Fit:
    """Fit the built-in head (or another `head`) to a mesh that stands in head axes, in metres.

    vertices [V, 3], triangles [F, 3] counter-clockwise from outside, `known` landmarks [L, 3] with NaN where not known,
    each to `known_std_m`.
    """
    template = _builtin_template() if head is None else make_template(head)
    return fit_template(template, np.asarray(vertices, np.float64), np.asarray(triangles, np.int64), known, known_std_m)


def find_embedding(
    vertices: Floats, triangles: Ids, known: KnownLandmarks | None = None, head: Head | None = None
) -> Embedding:
    """Where the 478 landmarks sit on the mesh; those already known guide the fit and are kept as they are."""
    if known is None:
        return fit_builtin(vertices, triangles, head=head).embedding
    corners, weights = known.embedding.vertices.numpy(), known.embedding.weights.double().numpy()
    points = (np.asarray(vertices, np.float64)[corners] * weights[..., None]).sum(1)
    chosen = known.known.numpy()
    points[~chosen] = np.nan
    found = fit_builtin(vertices, triangles, points, known_std_m=0.001, head=head).embedding
    keep = known.known[:, None]
    return Embedding(
        torch.where(keep, known.embedding.vertices, found.vertices),
        torch.where(keep, known.embedding.weights.to(found.weights), found.weights),
    )


@lru_cache(maxsize=1)
def _builtin_template() -> Template:
    return make_template(read_head(BUILTIN))
