"""A fitted head as one GLB file: the mesh at rest, 52 morph targets by Apple's names, and the performance.

glTF's axes are the head frame's (y up, z out of the face). The scene is the camera's room turned upright: the head node
carries `T_camera_head` with y and z turned over, and a camera of the same lens stands at the origin. Only the morph
weights and the head node move; nodes for jaw and eyes are there for who wants to hang something on them, and stay
still, so that nothing opens twice. Without a texture the surface has the head's own colours, vertex by vertex.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pygltflib as gltf
import torch
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES
from models.head import Head
from models.rotations import quaternion_from_matrix
from models.skinning import vertex_normals
from models.types import JAW, LEFT_EYE, RIGHT_EYE, Identity, MienError
from render.gltf_packer import Packer
from render.morphs import Morphs, arkit_morphs

Array = NDArray[Any]

UPRIGHT = np.diag((1.0, -1.0, -1.0)).astype(np.float32)  # OpenCV's camera axes to glTF's
STILL = {"jaw": JAW, "left_eye": LEFT_EYE, "right_eye": RIGHT_EYE}
SMALLEST_TURN = 2e-3  # a normal that turns less, about a tenth of a degree, is not stored
PICTURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}  # what glTF may hold, by how they begin
HEAD_NODE, CAMERA_NODE, FIRST_STILL_NODE = 0, 1, 2


def export_glb(
    head: Head,
    identity: Identity,
    track: Mapping[str, Array] | None = None,
    morphs: Morphs | None = None,
    texture: bytes | None = None,
) -> bytes:
    """`track`: arrays of a track.npz (`time_s`, `rotation`, `translation`, `blendshapes`), rows of NaN left out.

    Where it has `focal_px` and `size_px`, they are the camera's. `morphs` spares making them again. `texture`, a PNG or
    JPEG file's bytes laid out by the head's UVs, is embedded as the base colour. Without a track the head stands at the
    origin.
    """
    morphs = morphs or arkit_morphs(head, identity)
    packer = Packer()
    mesh = _mesh(head, morphs, packer, coloured=texture is None)
    if track is not None and len(only := _performance(track)[3]) == 1:  # a picture: the mesh stands as it looked
        mesh.weights = only[0].tolist()
    animations = _animation(track, packer) if track is not None else []
    nodes = _nodes(morphs, track)
    document = gltf.GLTF2(
        asset=gltf.Asset(version="2.0", generator="Mien", copyright=head.licence),
        scene=0,
        scenes=[gltf.Scene(nodes=[HEAD_NODE, CAMERA_NODE])],
        nodes=nodes,
        meshes=[mesh],
        cameras=[_lens(*_seen_through(identity, track))],
        materials=[_material(textured=texture is not None)],
        **_pictures(texture, packer),
        animations=animations,
        accessors=packer.accessors,
        bufferViews=packer.views,
        buffers=[gltf.Buffer(byteLength=len(packer.data))],
        extras={"head": head.name, "head_sha256": head.sha256},
    )
    document.set_binary_blob(bytes(packer.data))
    return b"".join(document.save_to_bytes())


def _material(textured: bool) -> gltf.Material:
    surface = gltf.PbrMetallicRoughness(baseColorFactor=[1.0, 1.0, 1.0, 1.0], metallicFactor=0.0, roughnessFactor=0.6)
    if textured:
        surface.baseColorTexture = gltf.TextureInfo(index=0)
    return gltf.Material(name="head", pbrMetallicRoughness=surface, alphaMode=gltf.OPAQUE, alphaCutoff=None)


def _pictures(texture: bytes | None, packer: Packer) -> dict[str, list[Any]]:
    if texture is None:
        return {}
    kind = next((kind for start, kind in PICTURES.items() if texture.startswith(start)), None)
    if kind is None:
        raise MienError(f"expected a texture as the bytes of a PNG or JPEG file, got bytes that begin {texture[:8]!r}")
    sampler = gltf.Sampler(
        magFilter=gltf.LINEAR, minFilter=gltf.LINEAR_MIPMAP_LINEAR, wrapS=gltf.CLAMP_TO_EDGE, wrapT=gltf.CLAMP_TO_EDGE
    )
    return {
        "images": [gltf.Image(name="skin", bufferView=packer.add_file(texture), mimeType=kind)],
        "samplers": [sampler],
        "textures": [gltf.Texture(source=0, sampler=0)],
    }


def _seen_through(identity: Identity, track: Mapping[str, Array] | None) -> tuple[float, int, int]:
    """Focal length, width, height: the frames' own, which may be corrected beyond the lens that was learned. The last
    face's, since the first ones are placed by a lens that is guessed."""
    if track is not None and "focal_px" in track:
        for focal_px, (width, height) in zip(track["focal_px"][::-1], track["size_px"][::-1], strict=True):
            if focal_px > 0 and min(width, height) > 0:  # NaN where no face was
                return float(focal_px), int(width), int(height)
    return identity.focal_px, *identity.size_px


def _lens(focal_px: float, width: int, height: int) -> gltf.Camera:
    lens = gltf.Perspective(
        aspectRatio=width / height, yfov=2 * math.atan(height / (2 * focal_px)), znear=0.01, zfar=100.0
    )
    return gltf.Camera(type="perspective", perspective=lens, name="camera")


# The mesh.


def _mesh(head: Head, morphs: Morphs, packer: Packer, coloured: bool) -> gltf.Mesh:
    """glTF has one index for all attributes, so vertices on a texture's seam are doubled."""
    vertex, uv, triangles = _unwelded(head)
    normals = _normals(head, morphs.rest)
    attributes = gltf.Attributes(
        POSITION=packer.add(morphs.rest[vertex], gltf.VEC3, bounds=True, target=gltf.ARRAY_BUFFER),
        NORMAL=packer.add(normals[vertex], gltf.VEC3, target=gltf.ARRAY_BUFFER),
        TEXCOORD_0=packer.add(head.uvs.cpu().numpy()[uv], gltf.VEC2, target=gltf.ARRAY_BUFFER),
    )
    if coloured:
        attributes.COLOR_0 = packer.add(_rgba(head)[vertex], gltf.VEC4, target=gltf.ARRAY_BUFFER)
    targets = [
        {"POSITION": packer.add_sparse(target[vertex]), "NORMAL": packer.add_sparse(turns[vertex])}
        for target, turns in ((target, _turns(head, morphs.rest, normals, target)) for target in morphs.targets)
    ]
    indices = packer.add(triangles.ravel(), gltf.SCALAR, target=gltf.ELEMENT_ARRAY_BUFFER)
    primitive = gltf.Primitive(attributes=attributes, indices=indices, material=0, targets=targets)
    return gltf.Mesh(
        name="head",
        primitives=[primitive],
        weights=[0.0] * len(ARKIT_NAMES),
        extras={"targetNames": list(ARKIT_NAMES)},
    )


def _normals(head: Head, vertices: Array) -> Array:
    """[V, 3] of length 1, also where no triangle with an area meets."""
    normals = vertex_normals(torch.from_numpy(vertices), head.triangles.cpu()).numpy()
    normals[np.linalg.norm(normals, axis=1) < 0.5] = (0, 0, 1)
    return np.asarray(normals)


def _turns(head: Head, rest: Array, normals: Array, target: Array) -> Array:
    """What a target adds to the normals: [V, 3], zero where it is too little to see."""
    turns = _normals(head, rest + target) - normals if target.any() else np.zeros_like(rest)
    turns[np.abs(turns).max(1) < SMALLEST_TURN] = 0
    return turns


def _unwelded(head: Head) -> tuple[Array, Array, Array]:
    """Vertex and UV of each of N corners that differ [N], [N], and triangles of these [F, 3]."""
    corners = np.stack([head.triangles.cpu().numpy().ravel(), head.uv_triangles.cpu().numpy().ravel()], 1)
    pairs, place = np.unique(corners, axis=0, return_inverse=True)
    kind = np.uint16 if len(pairs) < 65_535 else np.uint32
    return pairs[:, 0], pairs[:, 1], place.reshape(-1, 3).astype(kind)


def _rgba(head: Head) -> Array:
    """[V, 4] linear, as bytes."""
    colours = np.round(255 * head.colours.cpu().numpy().clip(0, 1)).astype(np.uint8)
    return np.concatenate([colours, np.full((len(colours), 1), 255, np.uint8)], 1)


# What moves, and what stays.


def _nodes(morphs: Morphs, track: Mapping[str, Array] | None) -> list[gltf.Node]:
    still = [gltf.Node(name=name, translation=morphs.joints[joint].tolist()) for name, joint in STILL.items()]
    children = list(range(FIRST_STILL_NODE, FIRST_STILL_NODE + len(still)))
    head = gltf.Node(name="head", mesh=0, children=children)
    if track is not None:
        _, rotation, translation, _ = _performance(track)
        if len(rotation):
            head.rotation, head.translation = rotation[0].tolist(), translation[0].tolist()
    return [head, gltf.Node(name="camera", camera=0), *still]


def _animation(track: Mapping[str, Array], packer: Packer) -> list[gltf.Animation]:
    times, rotation, translation, weights = _performance(track)
    if len(times) < 2:
        return []
    at = packer.add(times, gltf.SCALAR, bounds=True)
    outputs = {
        "rotation": packer.add(rotation, gltf.VEC4),
        "translation": packer.add(translation, gltf.VEC3),
        "weights": packer.add(weights.ravel(), gltf.SCALAR),
    }
    channels = [
        gltf.AnimationChannel(sampler=k, target=gltf.AnimationChannelTarget(node=HEAD_NODE, path=path))
        for k, path in enumerate(outputs)
    ]
    samplers = [gltf.AnimationSampler(input=at, output=out, interpolation=gltf.ANIM_LINEAR) for out in outputs.values()]
    return [gltf.Animation(name="performance", channels=channels, samplers=samplers)]


def _performance(track: Mapping[str, Array]) -> tuple[Array, Array, Array, Array]:
    """Times [T] rising from 0, quaternions xyzw [T, 4] without jumps of sign, translations [T, 3], weights [T, 52]."""
    keys = ("time_s", "rotation", "translation", "blendshapes")
    known = np.logical_and.reduce([np.isfinite(a).all(tuple(range(1, a.ndim))) for a in (track[key] for key in keys)])
    times = (track["time_s"][known] - track["time_s"][known][:1]).astype(np.float32)
    later = np.append(True, times[1:] > np.maximum.accumulate(times)[:-1])[: len(times)]
    rotation, translation, weights = (track[key][known][later].astype(np.float32) for key in keys[1:])
    wxyz = quaternion_from_matrix(torch.from_numpy(UPRIGHT @ rotation)).numpy()
    turned_over = np.cumprod(np.where((wxyz[1:] * wxyz[:-1]).sum(1) < 0, -1, 1))
    wxyz[1:] *= turned_over[:, None]
    return times[later], np.ascontiguousarray(wxyz[:, [1, 2, 3, 0]]), translation @ UPRIGHT, weights.clip(0, 1)
