"""How heads differ: the statistics' identity modes carried over the whole head.

Pictures do not tell size: the mean is scaled to 62 mm between the pupils, and the modes are orthogonal to growing. So
every head has the mean's overall size, which is within a few percent of anybody's. Size is no mode: landmarks would not
resist it (a smaller head nearer by looks the same), and since expressions do not grow with the head, a fit would shrink
heads to make expressions cheap. Whoever measures size, by the irises say, scales what was fitted.
"""

import numpy as np

from tracker.jobs.builtin_head.alignment import rigid_directions
from tracker.jobs.builtin_head.carry import Carrier
from tracker.jobs.builtin_head.statistics_file import Statistics
from tracker.jobs.builtin_head.surface import Floats


def identity_basis(statistics: Statistics, carrier: Carrier) -> Floats:
    """[V, 3, S] metres a standard deviation; each head as a whole is moved so that its landmarks stay in the frame."""
    basis, head = carrier.identity(statistics.identity_modes), carrier.head
    landmarks = head.embedding_vertices[:, 0]
    at_landmarks = rigid_directions(head.vertices[landmarks])
    weighted = at_landmarks * np.repeat(statistics.weights, 3)[:, None]
    seen = basis[landmarks].reshape(len(weighted), -1)
    share = np.linalg.solve(weighted.T @ at_landmarks, weighted.T @ seen)  # [7, S]
    flat = basis.reshape(3 * len(basis), -1)
    return np.asarray(flat - rigid_directions(head.vertices) @ share).reshape(basis.shape)
