"""The 478 landmarks of a head without its mesh, projected, with analytic Jacobians: the inner loop of every fit.

A landmark is a weighted mean of skinned vertices. So, for each joint that carries a part of it, it depends on that
joint's rotation and on one fixed linear form; call such a pair of landmark and joint a *row*. With `x` the stacked
expression, identity and pose feature, and `q` the rotation of the row's joint in the camera:

    landmark in the camera = t + sum over its rows of q @ (base + basis @ x)

`base` and `basis` are summed over vertices, weights and joint positions once. Nothing is approximated.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.head import Head
from models.rotations import skew, turn_and_axes
from models.skinning import pose_feature
from models.types import JAW, JOINT_PARENTS, LEFT_EYE, NECK, RIGHT_EYE, ROOT, Camera, HeadParams

_LIMBS = (JAW, LEFT_EYE, RIGHT_EYE)


@dataclass(frozen=True)
class Columns:
    """Where each group of unknowns stands in a Jacobian."""

    expression: slice
    identity: slice  # empty where identity is fixed
    jaw: slice
    eyes: slice  # left, right
    rotation: slice  # of the camera: the w of exp(w) @ rotation
    translation: slice
    focal: slice
    neck: slice  # empty unless asked for: head motion lives in the camera

    @staticmethod
    def of(expression: int, identity: int, neck: bool) -> "Columns":
        sizes = (expression, identity, 3, 6, 3, 3, 1, 3 if neck else 0)
        ends = itertools.accumulate(sizes, initial=0)
        return Columns(*(slice(start, stop) for start, stop in itertools.pairwise(ends)))

    @property
    def count(self) -> int:
        return int(self.neck.stop)


@dataclass(frozen=True)
class LandmarkRows:
    """A head reduced to P rows. The first L are the root's, one a landmark; then come the neck's and the limbs'."""

    landmark: Tensor  # [P] int64
    joint: Tensor  # [P] int64
    spans: tuple[slice, ...]  # the rows of each joint
    base: Tensor  # [..., P, 3] metres; a leading [N] where identities differ
    basis: Tensor  # [P, 3, K] metres a unit of x
    pose_columns: Tensor  # which entries of the pose feature move any landmark: the last columns of x
    columns: Columns

    @property
    def landmark_count(self) -> int:
        return int(self.spans[ROOT].stop)


@dataclass(frozen=True)
class LandmarkView:
    """Landmarks as a camera sees them."""

    camera_m: Tensor  # [N, L, 3] in the camera frame
    points_px: Tensor  # [N, L, 2]
    jacobian: Tensor | None  # [N, L, 2, columns.count] pixels a unit


def landmark_rows(
    head: Head, identity: Tensor | None = None, landmarks: Sequence[int] | None = None, neck: bool = False
) -> LandmarkRows:
    """Precompute for an identity [S] or [N, S], or None to keep it among the unknowns.

    `landmarks` picks some of the 478. Without `neck` the neck is taken as straight, which spares a third of the work.
    """
    picked = slice(None) if landmarks is None else torch.as_tensor(landmarks, device=head.template.device)
    vertices, mix = head.embedding.vertices[picked], head.embedding.weights[picked]  # [L, 3]
    share = mix[..., None] * head.skinning_weights[vertices]  # [L, 3, J] what each joint carries of each corner
    if not neck:
        share = torch.stack(
            (share[..., ROOT] + share[..., NECK], 0 * share[..., NECK], *share[..., JAW:].unbind(-1)), -1
        )

    pose_columns = head.pose_basis[vertices].abs().amax((0, 1, 2)).nonzero().flatten()
    columns = torch.cat(
        (head.expression_basis, head.identity_basis, head.pose_basis[..., pose_columns]), -1
    )  # [V, 3, K]
    joints = head.joint_regressor @ head.template  # [J, 3]
    joint_columns = torch.einsum("jv,vcx->jcx", head.joint_regressor, columns)
    joint_columns[..., columns.shape[-1] - len(pose_columns) :] = 0  # joints are regressed before the pose correctives

    base = torch.einsum("lkj,lkc->jlc", share, head.template[vertices])  # [J, L, 3]
    basis = torch.einsum("lkj,lkcx->jlcx", share, columns[vertices])  # [J, L, 3, K]
    offset = _joint_offsets(share.sum(1).T, neck)  # [J, L, J]
    base = base + torch.einsum("jlo,oc->jlc", offset, joints)
    basis = basis + torch.einsum("jlo,ocx->jlcx", offset, joint_columns)

    rows = _pack(base, basis, pose_columns, Columns.of(head.expression_size, head.identity_size, neck))
    return rows if identity is None else fix_identity(rows, identity)


def fix_identity(rows: LandmarkRows, identity: Tensor) -> LandmarkRows:
    """Fold an identity [S] or [N, S] into the base: what is left moves from frame to frame."""
    columns, neck = rows.columns, rows.columns.neck.stop > rows.columns.neck.start
    base = rows.base + torch.einsum("pcs,...s->...pc", rows.basis[..., columns.identity], identity)
    basis = torch.cat((rows.basis[..., columns.expression], rows.basis[..., columns.identity.stop :]), -1)
    return replace(rows, base=base, basis=basis, columns=Columns.of(columns.expression.stop, 0, neck))


def view_landmarks(
    rows: LandmarkRows, params: HeadParams, camera: Camera, identity: Tensor | None = None, jacobian: bool = True
) -> LandmarkView:
    """params and camera with a leading [N] -> landmarks in the picture, and how each unknown moves them."""
    turns, axes = turn_and_axes(torch.cat((params.neck[:, None], params.jaw[:, None], params.eyes), 1))  # [N, 4, 3, 3]
    feature = pose_feature(turns)[:, rows.pose_columns]
    x = torch.cat((params.expression, feature) if identity is None else (params.expression, identity, feature), -1)
    neck = camera.rotation @ turns[:, 0] if rows.columns.neck.start < rows.columns.neck.stop else camera.rotation
    joints = torch.stack((camera.rotation, neck, *(neck[:, None] @ turns[:, 1:]).unbind(1)), 1)  # [N, 5, 3, 3]
    by_row = joints[:, rows.joint]  # [N, P, 3, 3]

    local = rows.base + (rows.basis.flatten(0, 1) @ x.T).T.reshape(len(x), -1, 3)
    arms = (by_row * local[..., None, :]).sum(-1)  # [N, P, 3]
    from_origin = _sum_rows(rows, arms)
    camera_m = from_origin + camera.translation[:, None]
    slope = camera_m[..., :2] / camera_m[..., 2:]
    points_px = camera.focal_px[:, None, None] * slope + camera.principal_px[:, None]
    if not jacobian:
        return LandmarkView(camera_m, points_px, None)

    lens = _lens(camera.focal_px, camera_m, slope)
    lens_by_row = lens[:, rows.landmark]  # [N, P, 2, 3]
    motion = _motion(rows, lens_by_row @ by_row)  # [N, L, 2, K]
    shapes = rows.columns.identity.stop
    out = torch.empty(*slope.shape, rows.columns.count, dtype=slope.dtype, device=slope.device)
    out[..., :shapes] = motion[..., :shapes]
    swings = _swings(rows, arms, lens_by_row, joints, axes)  # [N, L, 2, 12]
    swings += motion[..., shapes:] @ _feature_motion(turns, axes)[:, None, rows.pose_columns]
    out[..., rows.columns.jaw.start : rows.columns.eyes.stop] = swings[..., 3:]
    out[..., rows.columns.neck] = swings[..., : rows.columns.neck.stop - rows.columns.neck.start]
    out[..., rows.columns.rotation] = lens @ skew(-from_origin)
    out[..., rows.columns.translation] = lens
    out[..., rows.columns.focal] = slope[..., None]
    return LandmarkView(camera_m, points_px, out)


# Precomputing.


def _joint_offsets(share: Tensor, neck: bool) -> Tensor:
    """By how much each joint's position enters each part of a landmark: [J, L, J] from what joints carry [J, L].

    A limb's points are relative to its joint, which sits in the neck's frame; the neck's points are relative to the
    neck, which sits in the root's frame. A straight neck leaves out the middle step.
    """
    offset = share.new_zeros(len(share), share.shape[1], len(share))
    for limb in _LIMBS:
        offset[limb, :, limb] = -share[limb]
        offset[NECK if neck else ROOT, :, limb] = share[limb]
    if neck:
        offset[NECK, :, NECK] = share[ROOT] - 1
        offset[ROOT, :, NECK] = 1 - share[ROOT]
    return offset


def _pack(base: Tensor, basis: Tensor, pose_columns: Tensor, columns: Columns) -> LandmarkRows:
    """Keep of [J, L] the rows that carry anything; the root keeps all, so that every landmark has its place."""
    carries = (basis.abs().amax((2, 3)) > 0) | (base.abs().amax(-1) > 0)  # [J, L]
    carries[ROOT] = True
    joint, landmark = carries.nonzero().unbind(1)
    ends = [0, *carries.sum(1).cumsum(0).tolist()]
    spans = tuple(slice(start, stop) for start, stop in itertools.pairwise(ends))
    return LandmarkRows(landmark, joint, spans, base[joint, landmark], basis[joint, landmark], pose_columns, columns)


# Evaluating: the pieces of the Jacobian.


def _sum_rows(rows: LandmarkRows, values: Tensor) -> Tensor:
    """Add up each landmark's rows: [N, P, ...] -> [N, L, ...]."""
    count = rows.landmark_count
    return values[:, :count].index_add(1, rows.landmark[count:], values[:, count:])


def _lens(focal_px: Tensor, camera_m: Tensor, slope: Tensor) -> Tensor:
    """How a landmark's motion in the camera frame moves its picture: [N, L, 2, 3] pixels a metre."""
    scale = (focal_px[:, None] / camera_m[..., 2])[..., None]
    lens = torch.zeros(*slope.shape, 3, dtype=slope.dtype, device=slope.device)
    lens[..., 0, 0] = scale[..., 0]
    lens[..., 1, 1] = scale[..., 0]
    lens[..., 2] = -scale * slope
    return lens


def _motion(rows: LandmarkRows, lens_by_row: Tensor) -> Tensor:
    """How x moves the landmarks: [N, L, 2, K] from each row's lens [N, P, 2, 3]."""
    batch, count = lens_by_row.shape[:2]
    # Row by row one small product for the whole batch: the basis is read once.
    lenses = lens_by_row.transpose(0, 1).reshape(count, 2 * batch, 3)
    motion = torch.bmm(lenses, rows.basis)
    trunk = rows.landmark_count
    motion[:trunk].index_add_(0, rows.landmark[trunk:], motion[trunk:])
    return motion[:trunk].view(trunk, batch, 2, -1).transpose(0, 1)


def _swings(rows: LandmarkRows, arms: Tensor, lens_by_row: Tensor, joints: Tensor, axes: Tensor) -> Tensor:
    """How turning the joints swings what they carry: [N, L, 2, 12], for neck, jaw, left eye, right eye."""
    out = arms.new_zeros(len(arms), rows.landmark_count, 2, 12)
    for joint in range(NECK, len(JOINT_PARENTS)):
        span = slice(rows.spans[NECK].start, None) if joint == NECK else rows.spans[joint]
        if span.start == rows.spans[joint].stop:  # nothing is carried, or the neck is straight
            continue
        pivots = joints[:, JOINT_PARENTS[joint]] @ axes[:, joint - 1]  # axes in the camera
        swing = torch.linalg.cross(pivots.transpose(1, 2)[:, None], arms[:, span, None], dim=-1)  # [N, Pj, 3 axes, 3]
        block = lens_by_row[:, span] @ swing.transpose(-1, -2)
        out[..., 3 * joint - 3 : 3 * joint].index_add_(1, rows.landmark[span], block)
    return out


def _feature_motion(turns: Tensor, axes: Tensor) -> Tensor:
    """How the axis-angles move the pose feature: [N, 36, 12], a 9 x 3 block a joint."""
    spun = skew(axes.transpose(-1, -2)) @ turns[:, :, None]  # [N, 4, 3 axes, 3, 3]
    out = turns.new_zeros(len(turns), 4, 9, 4, 3)
    out.diagonal(dim1=1, dim2=3).copy_(spun.flatten(-2).permute(0, 3, 2, 1))
    return out.view(len(turns), 36, 12)
