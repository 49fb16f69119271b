"""A head's vertices in the camera frame: the twin of `models.head.pose_head` and `models.camera.camera_points`."""

from math import cos, sin, sqrt
from typing import Any

import numpy as np

from models.compiled import compiled


@compiled
def pose(body: Any, params: Any, camera: Any, weights: Any, vertices: Any) -> None:
    """Fill `vertices` [N, 3] with a `Body`'s; `weights` [K] is room to work in."""
    transforms = np.empty((5, 3, 4), np.float32)
    find_motion(body.joints, body.joint_motion, params, camera, weights, transforms)
    _move(body.template, body.starts, body.ids, body.offsets, weights, vertices)
    _skin(transforms, body.carried, vertices)


@compiled
def find_motion(joints: Any, joint_motion: Any, params: Any, camera: Any, weights: Any, transforms: Any) -> None:
    """What moves all vertices: `weights` [K] of the columns, expression and pose correctives, and for each joint what
    it does to a point at rest, right into the camera frame: `transforms` [5, 3, 4]."""
    expressions = joint_motion.shape[2]
    turns = np.empty((4, 3, 3), np.float32)
    for joint in range(4):
        at = expressions + 3 * joint
        _turn(params[at], params[at + 1], params[at + 2], turns, joint)
    for column in range(expressions):
        weights[column] = params[column]
    for entry in range(len(weights) - expressions):
        joint, row, column = entry // 9, entry // 3 % 3, entry % 3
        weights[expressions + entry] = turns[joint, row, column] - np.float32(row == column)
    _joint_transforms(turns, joints, joint_motion, params, camera, transforms)


@compiled
def _move(template: Any, starts: Any, ids: Any, offsets: Any, weights: Any, vertices: Any) -> None:
    for vertex in range(len(vertices)):
        for axis in range(3):
            vertices[vertex, axis] = template[vertex, axis]
    for column in range(len(weights)):
        weight = weights[column]
        if weight != 0.0:
            for entry in range(starts[column], starts[column + 1]):
                vertex = ids[entry]
                for axis in range(3):
                    vertices[vertex, axis] += weight * offsets[entry, axis]


@compiled
def _turn(x: Any, y: Any, z: Any, out: Any, joint: Any) -> None:
    """Rodrigues' formula, safe at zero."""
    squared = x * x + y * y + z * z
    angle = sqrt(squared)
    sine = sin(angle) / angle if squared > 1e-8 else 1.0 - squared / 6.0
    cosine = (1.0 - cos(angle)) / squared if squared > 1e-4 else 0.5 - squared / 24.0
    axis = (x, y, z)
    for row in range(3):
        for column in range(3):
            out[joint, row, column] = cosine * axis[row] * axis[column]
        out[joint, row, row] += 1.0 - cosine * squared
    out[joint, 0, 1] -= sine * z
    out[joint, 0, 2] += sine * y
    out[joint, 1, 0] += sine * z
    out[joint, 1, 2] -= sine * x
    out[joint, 2, 0] -= sine * y
    out[joint, 2, 1] += sine * x


@compiled
def _joint_transforms(turns: Any, joints: Any, joint_motion: Any, params: Any, camera: Any, out: Any) -> None:
    rest = np.empty((5, 3), np.float32)
    placed = np.empty((5, 3), np.float32)
    for joint in range(5):
        for axis in range(3):
            rest[joint, axis] = joints[joint, axis]
            for k in range(joint_motion.shape[2]):
                rest[joint, axis] += params[k] * joint_motion[joint, axis, k]
    for joint in range(5):
        parent = 0 if joint < 2 else 1
        for row in range(3):
            if joint == 0:
                for column in range(3):
                    out[0, row, column] = camera[3 * row + column]
            else:
                for column in range(3):
                    out[joint, row, column] = 0.0
                    for k in range(3):
                        out[joint, row, column] += out[parent, row, k] * turns[joint - 1, k, column]
            placed[joint, row] = camera[9 + row] if joint == 0 else placed[parent, row]
            for k in range(3):
                bone = rest[joint, k] - (rest[parent, k] if joint > 0 else np.float32(0.0))
                placed[joint, row] += out[parent, row, k] * bone
            out[joint, row, 3] = placed[joint, row]
            for k in range(3):
                out[joint, row, 3] -= out[joint, row, k] * rest[joint, k]


@compiled
def _skin(transforms: Any, carried: Any, vertices: Any) -> None:
    for vertex in range(len(vertices)):
        x, y, z = vertices[vertex, 0], vertices[vertex, 1], vertices[vertex, 2]
        a, b, c = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for joint in range(5):
            share = carried[vertex, joint]
            if share != 0.0:
                t = transforms
                a += share * (t[joint, 0, 0] * x + t[joint, 0, 1] * y + t[joint, 0, 2] * z + t[joint, 0, 3])
                b += share * (t[joint, 1, 0] * x + t[joint, 1, 1] * y + t[joint, 1, 2] * z + t[joint, 1, 3])
                c += share * (t[joint, 2, 0] * x + t[joint, 2, 1] * y + t[joint, 2, 2] * z + t[joint, 2, 3])
        vertices[vertex, 0], vertices[vertex, 1], vertices[vertex, 2] = a, b, c
