"""The last millimetres: the fitted model's skin drawn onto the mesh, as smoothly as it will go."""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from models.embedding.closest import SurfaceIndex
from models.embedding.mesh import Floats, components, stiffness, vertex_areas
from models.embedding.model_fit import Targets, hit_weights
from models.embedding.similarity import align
from models.embedding.template import Template

STIFFNESS = (3e-5, 6e-6, 1e-6, 1e-7)  # square metres: the bending that is resisted, rounds of less and less
REACH_M = 0.004
HOLD = 0.003  # pull of each vertex towards where the model put it: what sees no surface stays with the model
LANDMARK_PULL = 0.3  # of a known landmark with 1 mm of doubt, beside the surface's 1 for each vertex
NEIGHBOURS = 40


def deform(template: Template, index: SurfaceIndex, placed: Floats, targets: Targets) -> Floats:
    """The template's vertices [V, 3] after the model fit, moved onto the surface."""
    skin = np.flatnonzero(template.importance > 0)
    matrix = _bending(placed, template)
    vertices = placed.copy()
    corners, shares = template.landmark_corners
    known = np.flatnonzero(np.isfinite(targets.points).all(1))
    pick = sparse.csr_array(
        (shares[known].ravel(), (np.repeat(np.arange(len(known)), 3), corners[known].ravel())),
        (len(known), len(placed)),
    )
    for bending in STIFFNESS:
        normals = template.normals(vertices)[skin]
        hits = index.closest(vertices[skin], normals)
        weights = np.zeros(len(placed))
        weights[skin] = hit_weights(vertices[skin], normals, hits, REACH_M)
        goal = vertices.copy()
        # Towards the surface's plane, not its nearest point: features may slide to where they belong.
        goal[skin] += hits.normals * ((hits.points - vertices[skin]) * hits.normals).sum(1)[:, None]
        pull = LANDMARK_PULL * (0.001 / targets.std[known]) ** 2
        missing = targets.points[known] - pick @ placed
        pull = pull / (1 + (np.linalg.norm(targets.points[known] - pick @ vertices, axis=1) / 0.004) ** 2)
        left = sparse.diags_array(weights + HOLD) + bending * matrix + pick.T @ sparse.diags_array(pull) @ pick
        right = weights[:, None] * (goal - placed) + pick.T @ (pull[:, None] * missing)
        vertices = placed + splu(sparse.csc_array(left)).solve(right)
    return _carry_parts(template, placed, vertices)


def _bending(placed: Floats, template: Template) -> sparse.csc_array:
    """Thin-plate energy of a displacement, with a little of a membrane's so that nothing folds: [V, V]."""
    laplacian = stiffness(placed, template.triangles)
    area = np.maximum(vertex_areas(placed, template.triangles), 1e-9)
    usual = float(np.median(area))
    plate = laplacian @ sparse.diags_array(usual / area) @ laplacian
    return sparse.csc_array(plate + 0.02 * laplacian)


def _carry_parts(template: Template, placed: Floats, vertices: Floats) -> Floats:
    """Parts without outer skin (eyeballs, teeth) go rigidly, with scale, as the skin around them does."""
    part = components(template.rest, template.triangles)
    skin = np.flatnonzero(template.skin)
    tree = cKDTree(placed[skin])
    out = vertices.copy()
    for number in np.unique(part):
        ids = np.flatnonzero(part == number)
        if template.skin[ids].any():
            continue
        near = skin[np.unique(tree.query(placed[ids], k=min(NEIGHBOURS, len(skin)))[1])]
        out[ids] = align(placed[near], vertices[near])(placed[ids])
    return out
