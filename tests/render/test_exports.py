"""GLB, OBJ and PLY read again by other means, and a posed frame compared with ours."""

import io
import math
import struct
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pygltflib
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from models.arkit import arkit_params
from models.arkit_names import ARKIT_NAMES
from models.head import pose_head, shape_head
from models.obj import read_obj
from models.rotations import matrix_from_quaternion
from models.skinning import vertex_normals
from models.types import MienError
from render.gltf import export_glb
from render.morphs import Morphs, arkit_morphs
from render.obj import obj_text, ply_bytes
from tests.render.performance import FRAMES, HEAD, IDENTITY, a_track

INSIDE = ("teeth_upper", "teeth_lower", "gums", "tongue")
COMPONENTS = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


@lru_cache(maxsize=1)
def exported() -> bytes:
    return export_glb(HEAD, IDENTITY, a_track())


@lru_cache(maxsize=1)
def document() -> pygltflib.GLTF2:
    return pygltflib.GLTF2.load_from_bytes(exported())


def accessor(number: int) -> NDArray[Any]:
    """As the specification reads it (glTF 2.0, section 3.6.2)."""
    gltf = document()
    it = gltf.accessors[number]
    width = WIDTHS[it.type]
    values = np.zeros((it.count, width), COMPONENTS[it.componentType])
    if it.bufferView is not None:
        values = view(it.bufferView, values.dtype, it.count * width).reshape(-1, width)
    if it.sparse is not None:
        rows = view(it.sparse.indices.bufferView, COMPONENTS[it.sparse.indices.componentType], it.sparse.count)
        assert (np.diff(rows.astype(int)) > 0).all()
        values = values.copy()
        values[rows] = view(it.sparse.values.bufferView, values.dtype, it.sparse.count * width).reshape(-1, width)
    if it.min:
        assert np.allclose(values.min(0), it.min)
        assert np.allclose(values.max(0), it.max)
    return values


def view(number: int, kind: Any, count: int) -> NDArray[Any]:
    blob, it = document().binary_blob(), document().bufferViews[number]
    assert it.byteLength == count * np.dtype(kind).itemsize
    return np.frombuffer(blob, kind, count, it.byteOffset)


def played(time_s: float) -> NDArray[np.float64]:
    """Triangles' corners [F, 3, 3] in glTF's world at a key of the animation, as a player computes them."""
    gltf = document()
    primitive = gltf.meshes[0].primitives[0]
    channels = {c.target.path: gltf.animations[0].samplers[c.sampler] for c in gltf.animations[0].channels}
    assert {c.target.node for c in gltf.animations[0].channels} == {gltf.nodes.index(named("head"))}
    key = int(np.abs(accessor(channels["weights"].input)[:, 0] - time_s).argmin())
    weights = accessor(channels["weights"].output).reshape(-1, len(ARKIT_NAMES))[key]
    points = accessor(primitive.attributes.POSITION).astype(float)
    for weight, target in zip(weights, primitive.targets, strict=True):
        points = points + weight * accessor(target["POSITION"])
    x, y, z, w = accessor(channels["rotation"].output)[key].tolist()
    turn = matrix_from_quaternion(torch.tensor((w, x, y, z), dtype=torch.float64)).numpy()
    corners = accessor(primitive.indices).reshape(-1, 3)
    moved = points @ turn.T + accessor(channels["translation"].output)[key]
    return np.asarray(moved[corners])


def named(name: str) -> pygltflib.Node:
    return next(node for node in document().nodes if node.name == name)


def ours(frame: int) -> NDArray[np.float64]:
    track = a_track()
    params = arkit_params(HEAD, torch.from_numpy(track["blendshapes"][frame]))
    vertices = pose_head(shape_head(HEAD, IDENTITY.shape), params).vertices.numpy()
    in_camera = vertices @ track["rotation"][frame].T + track["translation"][frame]
    return np.asarray((in_camera * (1, -1, -1))[HEAD.triangles.numpy()])


def test_one_shape_alone_is_ours_to_a_hundredth_of_a_millimetre() -> None:
    assert np.abs(played(5 / 30) - ours(5)).max() < 1e-5


@pytest.mark.parametrize("frame", [0, 4, 11])
def test_all_shapes_at_once_are_ours_to_a_few_millimetres(frame: int) -> None:
    """Everything at random, jaw and eyes too: far from linear. Ordinary faces lose a tenth of it."""
    away = np.linalg.norm(played(frame / 30) - ours(frame), axis=-1)
    assert np.sqrt((away**2).mean()) < 2e-3
    assert np.median(away) < 5e-4


def test_the_targets_bear_apples_names_and_the_tongue_stays() -> None:
    mesh = document().meshes[0]
    assert mesh.extras["targetNames"] == list(ARKIT_NAMES)
    assert len(mesh.primitives[0].targets) == len(mesh.weights) == 52
    moves = [np.abs(accessor(target["POSITION"])).max() for target in mesh.primitives[0].targets]
    assert [name for name, most in zip(ARKIT_NAMES, moves, strict=True) if most < 1e-4] == ["tongueOut"]


def test_sparse_targets_save_room() -> None:
    dense = 52 * accessor(document().meshes[0].primitives[0].attributes.POSITION).nbytes
    assert len(exported()) < 0.5 * dense


def test_only_the_head_and_its_shapes_move() -> None:
    gltf = document()
    assert {channel.target.path for channel in gltf.animations[0].channels} == {"rotation", "translation", "weights"}
    joints = shape_head(HEAD, IDENTITY.shape).joints.numpy()
    for name, joint in (("jaw", 2), ("left_eye", 3), ("right_eye", 4)):
        assert np.allclose(named(name).translation, joints[joint])
        assert gltf.nodes.index(named(name)) in named("head").children


def test_the_camera_has_the_lens_that_the_frames_were_told_with() -> None:
    assert document().cameras[0].perspective.yfov == pytest.approx(2 * math.atan(720 / 2 / IDENTITY.focal_px))
    focal_px = np.full(FRAMES, 600, np.float32)
    focal_px[:2] = 700  # before the person was learned
    focal_px[-1] = np.nan  # no face
    track = {**a_track(), "focal_px": focal_px, "size_px": np.tile((640, 480), (FRAMES, 1))}
    lens = pygltflib.GLTF2.load_from_bytes(export_glb(HEAD, IDENTITY, track)).cameras[0].perspective
    assert lens.yfov == pytest.approx(2 * math.atan(480 / 2 / 600))
    assert lens.aspectRatio == pytest.approx(640 / 480)


def test_lost_frames_and_times_that_stand_still_are_left_out() -> None:
    times = accessor(document().animations[0].samplers[0].input)[:, 0]
    assert np.allclose(times, [k / 30 for k in range(FRAMES) if k not in (3, 7)], atol=1e-5)
    quaternions = accessor(document().animations[0].samplers[0].output)
    assert ((quaternions[1:] * quaternions[:-1]).sum(1) > 0).all()  # or players would turn the long way round
    assert np.allclose(np.linalg.norm(quaternions, axis=1), 1, atol=1e-5)


def test_a_track_without_a_face_has_no_animation() -> None:
    track = {key: value[3:4] for key, value in a_track().items()}
    for arrays in (track, {key: value[:0] for key, value in track.items()}):
        gltf = pygltflib.GLTF2.load_from_bytes(export_glb(HEAD, IDENTITY, arrays))
        assert gltf.animations == []


def test_the_surface_has_what_a_player_needs() -> None:
    primitive = document().meshes[0].primitives[0]
    normals, uvs = accessor(primitive.attributes.NORMAL), accessor(primitive.attributes.TEXCOORD_0)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-4)
    assert len({len(normals), len(uvs), len(accessor(primitive.attributes.COLOR_0))}) == 1
    corners = accessor(primitive.indices)[:, 0]
    assert np.allclose(uvs[corners], HEAD.uvs.numpy()[HEAD.uv_triangles.numpy().ravel()])
    magic, version, length = struct.unpack("<4sII", exported()[:12])
    assert (magic, version, length) == (b"glTF", 2, len(exported()))


def test_a_face_at_rest_that_is_not_zero_becomes_the_mesh() -> None:
    """Weights are told relative to it: 0 is rest, and 1 is still 1."""
    neutral = torch.zeros(len(ARKIT_NAMES))
    frown = ARKIT_NAMES.index("mouthFrownLeft")
    neutral[frown] = 0.25
    morphs = arkit_morphs(HEAD, replace(IDENTITY, neutral=neutral))
    plain = arkit_morphs(HEAD, IDENTITY)
    assert np.abs(morphs.rest - plain.posed(neutral.numpy())).max() < 1e-5
    full = np.eye(len(ARKIT_NAMES), dtype=np.float32)[frown]
    assert np.abs(morphs.posed(full) - plain.posed(full)).max() < 1e-5


@lru_cache(maxsize=1)
def borrowed_and_own() -> tuple[Morphs, Morphs]:
    """Of the built-in head with its expressions called otherwise, as FLAME's are, and under their own names."""
    other = replace(HEAD, expression_names=tuple(f"shape{k}" for k in range(HEAD.expression_size)), name="Other 1")
    return arkit_morphs(other, IDENTITY), arkit_morphs(HEAD, IDENTITY)


def test_a_head_with_other_shapes_borrows_the_52() -> None:
    borrowed, own = borrowed_and_own()
    assert np.abs(borrowed.rest - own.rest).max() < 1e-6
    skin = np.setdiff1d(np.arange(HEAD.vertex_count), np.concatenate([HEAD.regions[n].numpy() for n in INSIDE]))
    for name, lent, true in zip(ARKIT_NAMES, borrowed.targets[:, skin], own.targets[:, skin], strict=True):
        size = np.linalg.norm(true, axis=1).max()
        away = np.sqrt(((lent - true) ** 2).sum(1).mean())
        assert away <= 0.06 * size, f"{name}: {1e3 * away:.2f} mm away, it moves {1e3 * size:.1f} mm"


def test_borrowed_shapes_are_exported_too() -> None:
    other = replace(HEAD, expression_names=tuple(f"shape{k}" for k in range(HEAD.expression_size)), name="Other 1")
    gltf = pygltflib.GLTF2.load_from_bytes(export_glb(other, IDENTITY, a_track(), borrowed_and_own()[0]))
    assert gltf.meshes[0].extras["targetNames"] == list(ARKIT_NAMES)
    assert len(gltf.meshes[0].primitives[0].targets) == 52
    assert gltf.extras["head"] == "Other 1"


def test_a_head_that_is_none_is_told() -> None:
    """A code of which the mesh becomes a crumpled ball."""
    other = replace(HEAD, expression_names=tuple(f"shape{k}" for k in range(HEAD.expression_size)), name="Other 1")
    shape = 60 * torch.randn(HEAD.identity_size, generator=torch.Generator().manual_seed(1))
    with pytest.raises(
        MienError, match="this person's 'Other 1' looks too little like a head to lend it the 52 shapes"
    ):
        arkit_morphs(other, replace(IDENTITY, shape=shape))


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_broken_identity_is_told(broken: float) -> None:
    shape = IDENTITY.shape.clone()
    shape[2] = broken
    with pytest.raises(MienError, match=r"finite numbers as the identity .* with 1 that are not"):
        export_glb(HEAD, replace(IDENTITY, shape=shape))


def test_normals_turn_with_the_shapes() -> None:
    """A player adds and normalises them: they must be those of the moved surface."""
    primitive = document().meshes[0].primitives[0]
    corners = torch.from_numpy(accessor(primitive.indices).reshape(-1, 3).astype(np.int64))
    points, normals = accessor(primitive.attributes.POSITION), accessor(primitive.attributes.NORMAL)
    target = primitive.targets[ARKIT_NAMES.index("jawOpen")]
    told = normals + accessor(target["NORMAL"])
    assert np.allclose(np.linalg.norm(told, axis=1), 1, atol=5e-3)
    # The file's vertices are double along seams.
    _, first, place = np.unique(points, axis=0, return_index=True, return_inverse=True)
    moved = torch.from_numpy((points + accessor(target["POSITION"]))[first])
    true = vertex_normals(moved, torch.from_numpy(place.ravel())[corners]).numpy()[place.ravel()]
    assert np.quantile((told * true).sum(1), 0.01) > 0.999
    assert np.abs(accessor(target["NORMAL"])).max() > 0.5


def png(colour: tuple[int, int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(stream, "png")
    return stream.getvalue()


def test_a_texture_is_the_base_colour_and_comes_back_as_it_was() -> None:
    picture = png((200, 120, 90))
    gltf = pygltflib.GLTF2.load_from_bytes(export_glb(HEAD, IDENTITY, texture=picture))
    surface = gltf.materials[0].pbrMetallicRoughness
    image = gltf.images[gltf.textures[surface.baseColorTexture.index].source]
    it = gltf.bufferViews[image.bufferView]
    assert (image.mimeType, surface.baseColorTexture.texCoord or 0) == ("image/png", 0)
    assert gltf.binary_blob()[it.byteOffset :][: it.byteLength] == picture
    assert gltf.meshes[0].primitives[0].attributes.COLOR_0 is None  # it would be multiplied in


def test_a_texture_that_is_no_picture_is_told() -> None:
    with pytest.raises(MienError, match="PNG or JPEG file, got bytes that begin b'GIF89a'"):
        export_glb(HEAD, IDENTITY, texture=b"GIF89a")


def test_an_obj_is_read_again(tmp_path: Path) -> None:
    vertices = arkit_morphs(HEAD, IDENTITY).rest
    (tmp_path / "head.obj").write_text(obj_text(HEAD, vertices))
    mesh = read_obj(tmp_path / "head.obj")
    assert np.abs(mesh.vertices - vertices).max() < 1e-6
    assert (mesh.triangles == HEAD.triangles.numpy()).all()
    assert (mesh.uv_triangles == HEAD.uv_triangles.numpy()).all()
    assert np.abs(mesh.uvs * (1, -1) + (0, 1) - HEAD.uvs.numpy()).max() < 1e-6


def test_a_ply_says_what_it_holds() -> None:
    vertices = arkit_morphs(HEAD, IDENTITY).rest
    data = ply_bytes(HEAD, vertices)
    header, body = data.split(b"end_header\n", 1)
    assert f"element vertex {len(vertices)}".encode() in header
    rows = np.frombuffer(body, [("p", "<f4", 3), ("n", "<f4", 3), ("c", "u1", 3)], len(vertices))
    assert (rows["p"] == vertices).all()
    assert np.allclose(np.linalg.norm(rows["n"], axis=1), 1, atol=1e-4)
    faces = np.frombuffer(body[rows.nbytes :], [("k", "u1"), ("f", "<i4", 3)])
    assert (faces["k"] == 3).all()
    assert (faces["f"] == HEAD.triangles.numpy()).all()
