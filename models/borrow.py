"""A `Head` made of a mesh alone: its shape is its own, how it moves is borrowed from the built-in head.

Two contacts are then made good, because carrying motion over cannot know of them: lids that close without a gap and
stay outside the mesh's own eyeball, and lips that seal when the mouth closes over an open jaw.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from models.embedding.mesh import Floats, Ids, unit
from models.embedding.parts import Eyeball
from models.head import Head, embed, pose_head, shape_head
from models.rotations import matrix_from_axis_angle
from models.transfer import Transfer
from models.types import JAW, LEFT_EYE, NECK, RIGHT_EYE, ROOT, Embedding

# Landmarks of the margins, upper and lower in pairs: the right eye, the left eye, the lips.
RIGHT_LIDS = (173, 157, 158, 159, 160, 161, 246), (155, 154, 153, 145, 144, 163, 7)
LEFT_LIDS = (398, 384, 385, 386, 387, 388, 466), (382, 381, 380, 374, 373, 390, 249)
LIPS = (191, 80, 81, 82, 13, 312, 311, 310, 415), (95, 88, 178, 87, 14, 317, 402, 318, 324)

UPPER_LID_SHARE, UPPER_LIP_SHARE = 0.85, 0.25  # of a gap that is left, what the upper one bridges
LID_LENGTH_M, LIP_LENGTH_M = 0.005, 0.008  # how far around such a correction is felt
CLEARANCE_M = 0.0003  # between a lid and the eyeball
SEAL_ROUNDS = 3
CARRIERS = 300  # vertices that carry a joint
STILL_M = 1e-4  # what a carrier of a joint may move with any expression


@dataclass(frozen=True)
class Surface:
    """What the mesh's file says beside its shape."""

    uvs: Floats  # [U, 2] in 0..1, origin at the top left of the texture
    uv_triangles: Ids  # [F, 3]
    name: str
    licence: str
    sha256: str


def borrow_head(transfer: Transfer, surface: Surface, other_people: bool = True) -> Head:
    """transfer: the mesh in metres, in the head frame; the built-in it was fitted to gives everything that moves.

    Without `other_people` it has no identity modes, which take a third of the time: the head is of this person alone.
    """
    builtin = transfer.fit.template.head
    expression = transfer.carry(builtin.expression_basis.numpy())
    weights = transfer.carry_weights()
    identity = _carry_identity(transfer) if other_people else np.zeros((*transfer.vertices.shape, 0))
    head = Head(
        name=surface.name,
        licence=surface.licence,
        sha256=surface.sha256,
        template=torch.from_numpy(transfer.vertices),
        identity_basis=torch.from_numpy(identity),
        expression_basis=torch.from_numpy(_lids_made_good(transfer, expression, builtin.expression_names)),
        expression_names=builtin.expression_names,
        joint_regressor=torch.from_numpy(_joint_regressor(transfer, expression)),
        skinning_weights=torch.from_numpy(weights),
        pose_basis=torch.from_numpy(_carry_pose(transfer, builtin.pose_basis.numpy())),
        triangles=torch.from_numpy(transfer.triangles),
        uvs=torch.from_numpy(surface.uvs),
        uv_triangles=torch.from_numpy(surface.uv_triangles),
        embedding=Embedding(transfer.fit.embedding.vertices, transfer.fit.embedding.weights.double()),
        expression_prior=builtin.expression_prior,
        jaw_prior=builtin.jaw_prior,
        eyes_prior=builtin.eyes_prior,
        regions=_regions(transfer),
        colours=torch.from_numpy(_colours(transfer)),
    )
    return _lips_made_good(transfer, head).to(dtype=torch.float32)


def _carry_identity(transfer: Transfer) -> Floats:
    """The built-in's identity modes: the code 0 is this very mesh. Eyeballs are shifted as the built-in's are."""
    template = transfer.fit.template
    modes = template.head.identity_basis.numpy()
    carried = transfer.carry(modes)
    turn, scale = transfer.fit.similarity.rotation, transfer.fit.similarity.scale
    own_eyes = {LEFT_EYE: template.eyeballs[0], RIGHT_EYE: template.eyeballs[1]}
    for joint, ids in transfer.rigid.items():
        source = own_eyes.get(joint)
        if source is None:
            teeth, shares = transfer.teeth
            source = teeth[(shares >= 0.5) == (joint == JAW)]
        if len(ids) and len(source):
            carried[ids] = scale * turn @ modes[source].mean(0)
    return carried


def _carry_pose(transfer: Transfer, pose: Floats) -> Floats:
    """Correctives, only those that say anything."""
    used = np.flatnonzero(np.abs(pose).max((0, 1), initial=0.0))
    out = np.zeros((len(transfer.vertices), 3, pose.shape[2]))
    out[:, :, used] = transfer.carry(pose[:, :, used])
    return out


# Contacts.


def _lids_made_good(transfer: Transfer, expression: Floats, names: tuple[str, ...]) -> Floats:
    out = expression.copy()
    for name, pairs in (("eyeBlinkLeft", LEFT_LIDS), ("eyeBlinkRight", RIGHT_LIDS)):
        if name in names:
            column = names.index(name)
            out[:, :, column] += _closing(transfer, out[:, :, column], *pairs)
    if transfer.fit.parts.eyes is not None:
        for eye in transfer.fit.parts.eyes:
            _keep_outside(transfer, out, eye)
    return out


def _closing(transfer: Transfer, blink: Floats, upper: tuple[int, ...], lower: tuple[int, ...]) -> Floats:
    """What is missing for the margins to meet: [V, 3]."""
    moved = transfer.at_landmarks(transfer.vertices + blink)
    up, low = list(upper), list(lower)
    gap = moved[up] - moved[low]
    axis = unit(moved[up[-1]] - moved[up[0]])  # from corner to corner: along it margins need not agree
    gap -= np.outer(gap @ axis, axis)
    wanted = np.concatenate([-UPPER_LID_SHARE * gap, (1 - UPPER_LID_SHARE) * gap])
    return transfer.nudge(np.array(up + low), wanted, LID_LENGTH_M)


def _keep_outside(transfer: Transfer, expression: Floats, eye: Eyeball) -> None:
    """No shape at weight 1 presses skin further into the eyeball than it lies at rest. Changes `expression`."""
    from_centre = transfer.vertices - eye.centre
    depth = np.linalg.norm(from_centre, axis=1)
    on_skin = np.isin(transfer.fit.parts.part, transfer.fit.parts.skin_parts)
    near = np.flatnonzero((depth < 2 * eye.radius) & on_skin)
    ball = from_centre[eye.vertices]
    tree, radii = cKDTree(unit(ball)), np.linalg.norm(ball, axis=1)

    def height(points: Floats) -> Floats:
        """Metres above the eyeball's surface."""
        around = radii[tree.query(unit(points), k=6)[1]]
        return np.asarray(np.linalg.norm(points, axis=1) - around.max(1))

    floor = np.minimum(height(from_centre[near]), CLEARANCE_M)
    for column in range(expression.shape[2]):
        at = from_centre[near] + expression[near, :, column]
        moved = np.linalg.norm(expression[near, :, column], axis=1) > 1e-5
        expression[near, :, column] += unit(at) * (np.maximum(floor - height(at), 0) * moved)[:, None]


def _lips_made_good(transfer: Transfer, head: Head) -> Head:
    """mouthClose at 1 over jawOpen at 1 brings the inner lips as near as they rest."""
    if "mouthClose" not in head.expression_names:
        return head
    column = head.expression_names.index("mouthClose")
    params = head.zero_params()
    params.jaw[0], params.expression[column] = head.jaw_prior.high[0], 1.0
    turn = matrix_from_axis_angle(params.jaw).numpy()
    share = transfer.at_landmarks(head.skinning_weights.numpy()[:, JAW])
    for _ in range(SEAL_ROUNDS):
        posed = embed(head.embedding, pose_head(shape_head(head, head.zero_identity()), params).vertices).numpy()
        wanted = _sealing(embed(head.embedding, head.template).numpy(), posed)
        ids = np.array([*LIPS[0], *LIPS[1]])
        # Shapes are added before the jaw turns.
        linear = np.eye(3) + share[ids, None, None] * (turn - np.eye(3))
        change = transfer.nudge(ids, np.linalg.solve(linear, wanted[..., None])[..., 0], LIP_LENGTH_M)
        basis = head.expression_basis.clone()
        basis[:, :, column] += torch.from_numpy(change)
        head = replace(head, expression_basis=basis)
    return head


def _sealing(rest: Floats, posed: Floats) -> Floats:
    """How upper, then lower, inner lips must move, so that their gaps are those at rest: [18, 3]."""
    up, low = list(LIPS[0]), list(LIPS[1])
    missing = (rest[up] - rest[low]) - (posed[up] - posed[low])
    return np.concatenate([UPPER_LIP_SHARE * missing, (UPPER_LIP_SHARE - 1) * missing])


# Joints.


def _joint_regressor(transfer: Transfer, expression: Floats) -> Floats:
    """[J, V]: each joint as a mean of vertices near it that no expression moves."""
    still = np.linalg.norm(expression, axis=1).max(1, initial=0.0) < STILL_M
    regressor = np.zeros((len(transfer.fit.joints), len(transfer.vertices)))
    hard = np.concatenate(list(transfer.rigid.values()))
    still[hard] = False
    for joint in (ROOT, NECK, JAW, LEFT_EYE, RIGHT_EYE):
        own = transfer.rigid.get(joint) if joint in (LEFT_EYE, RIGHT_EYE) else None
        candidates = np.flatnonzero(still) if own is None else own
        if len(candidates) < 8:
            candidates = np.arange(len(transfer.vertices))
        carriers = _around(transfer.vertices, candidates, transfer.fit.joints[joint])
        regressor[joint, carriers] = _affine_mean(transfer.vertices[carriers], transfer.fit.joints[joint])
    return regressor


def _around(vertices: Floats, candidates: Ids, joint: Floats) -> Ids:
    """The nearest candidates on both sides of the joint."""
    found = []
    for side in (1, -1):
        there = candidates[side * (vertices[candidates, 0] - joint[0]) >= 0]
        distance = np.linalg.norm(vertices[there] - joint, axis=1)
        found.append(there[np.argsort(distance, kind="stable")[: CARRIERS // 2]])
    return np.asarray(np.unique(np.concatenate(found)))


def _affine_mean(points: Floats, target: Floats) -> Floats:
    """The evenest weights [n] that sum to 1 and have the target [3] as the points' mean."""
    centred = points - points.mean(0)
    matrix = np.column_stack([centred / np.abs(centred).max(), np.ones(len(points))])
    wanted = np.append((target - points.mean(0)) / np.abs(centred).max(), 1.0)
    return np.asarray(matrix @ np.linalg.solve(matrix.T @ matrix + 1e-12 * np.eye(4), wanted))


# What things are called, and their colours.


def _regions(transfer: Transfer) -> dict[str, Tensor]:
    """The built-in's regions, where its places say so; eyeballs and teeth from what the mesh has."""
    template = transfer.fit.template
    corners, weights, trust = transfer.places
    nearest = np.take_along_axis(corners, weights.argmax(1)[:, None], 1)[:, 0]
    sure = trust > 0.3
    regions = {}
    for name, ids in template.head.regions.items():
        member = np.zeros(len(template.rest), bool)
        member[ids.numpy()] = True
        regions[name] = np.flatnonzero(sure & member[nearest])
    if transfer.fit.parts.eyes is not None:
        regions["eyeball_left"], regions["eyeball_right"] = transfer.rigid[LEFT_EYE], transfer.rigid[RIGHT_EYE]
    regions["teeth_upper"], regions["teeth_lower"] = transfer.rigid[NECK], transfer.rigid[JAW]
    return {name: torch.from_numpy(np.asarray(ids, np.int64)) for name, ids in regions.items()}


def _colours(transfer: Transfer) -> Floats:
    """The built-in's colours [V, 3], each part's from the same part."""
    template, colours = transfer.fit.template, transfer.fit.template.head.colours.numpy()
    corners, weights, _ = transfer.places
    out = np.einsum("vk,vkc->vc", weights, colours[corners])
    out[weights.sum(1) < 0.5] = colours[template.skin].mean(0)
    for joint, ids, source in _hard_parts(transfer):
        if not len(ids) or not len(source):
            continue
        mine, theirs = transfer.vertices[ids], transfer.fit.vertices[source]
        if joint in (LEFT_EYE, RIGHT_EYE):  # by the direction from the eyeball's middle, whatever its size
            mine, theirs = unit(mine - transfer.fit.joints[joint]), unit(theirs - theirs.mean(0))
        out[ids] = colours[source[cKDTree(theirs).query(mine)[1]]]
    return np.asarray(out)


def _hard_parts(transfer: Transfer) -> list[tuple[int, Ids, Ids]]:
    """Joint, the mesh's vertices, the built-in's vertices of what is not skin."""
    template = transfer.fit.template
    teeth, shares = transfer.teeth
    sources = {
        LEFT_EYE: template.eyeballs[0],
        RIGHT_EYE: template.eyeballs[1],
        JAW: teeth[shares >= 0.5],
        NECK: teeth[shares < 0.5],
    }
    return [(joint, ids, sources[joint]) for joint, ids in transfer.rigid.items()]
