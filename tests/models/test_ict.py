"""ICT-FaceKit's sample becomes a head whose jaw and eyes turn, and whose shapes are the kit's own."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.arkit_names import EXPRESSION_SHAPES
from models.head import Head, ShapedHead, embed, pose_head, shape_head
from models.ict import read_ict
from models.ict_eyes import eye_axis, known_ict_landmarks
from models.ict_files import _METRES, _ORIGIN_M, kit_name, missing_shapes, model_folder, read_ict_files
from models.ict_parts import PARTS, SHELLS, VERTICES
from models.ict_rig import GAZE, affine_weights, rig_ict
from models.obj import read_obj_vertices
from models.skinning import vertex_normals
from models.types import HeadParams, MienError

Array = NDArray[Any]


@pytest.fixture(scope="module")
def sample(shared_dir: Path) -> Path:
    folder = shared_dir / "ict_facekit_sample"
    if model_folder(folder) is None:
        pytest.skip("needs the sample of ICT-FaceKit beside the checkout")
    return folder


@pytest.fixture(scope="module")
def head(sample: Path) -> Head:
    return read_ict(sample).to(dtype=torch.float64)


@pytest.fixture(scope="module")
def shaped(head: Head) -> ShapedHead:
    return shape_head(head, head.zero_identity())


def kit(sample: Path, name: str) -> Array:
    """A file's vertices in the head frame."""
    vertices = read_obj_vertices(sample / "FaceXModel" / f"{name}.obj")[:VERTICES]
    return np.asarray(vertices * _METRES - _ORIGIN_M)


def posed(shaped: ShapedHead, **changes: Any) -> Array:
    """Vertices with expressions by name (`shapes`) and joints as given."""
    head = shaped.head
    weights = torch.zeros(head.expression_size, dtype=torch.float64)
    for name, weight in changes.pop("shapes", {}).items():
        weights[head.expression_names.index(name)] = weight
    joints = {name: torch.tensor(value, dtype=torch.float64) for name, value in changes.items()}
    params: HeadParams = head.zero_params().with_(expression=weights, **joints)
    return np.asarray(pose_head(shaped, params).vertices)


def test_names_of_the_kit() -> None:
    assert kit_name("eyeBlinkLeft") == ("eyeBlink_L",)
    assert kit_name("mouthSmileRight") == ("mouthSmile_R",)
    assert kit_name("mouthLeft") == ("mouthLeft",)
    assert kit_name("jawRight") == ("jawRight",)
    assert kit_name("browInnerUp") == ("browInnerUp_L", "browInnerUp_R")


def test_sizes_and_names(head: Head, sample: Path) -> None:
    assert head.name == "ICT-FaceKit"
    assert head.licence.startswith("MIT")
    assert (head.vertex_count, head.identity_size) == (24591, 5)
    present = ("eyeBlinkLeft", "eyeBlinkRight", "mouthPucker", "mouthSmileLeft", "mouthSmileRight", "browInnerUp")
    assert head.expression_names == tuple(name for name in EXPRESSION_SHAPES if name in present)
    missing = missing_shapes(sample)
    assert "jawLeft" in missing
    assert "identity005" in missing
    assert "jawOpen" not in missing
    assert len(missing) == 95 + 53 - 9


def test_frame_and_unit(head: Head) -> None:
    joints = head.joint_regressor @ head.template
    left, right = joints[3], joints[4]
    assert 0.058 < float(left[0] - right[0]) < 0.066  # metres, the left eye at +x
    torch.testing.assert_close(left[1:], torch.tensor((0.0229, 0.0236), dtype=torch.float64), atol=2e-4, rtol=0)
    nose = head.template[head.template[:, 2].argmax()]
    assert abs(float(nose[0])) < 1e-3
    assert nose[1] < left[1]
    size = head.template.amax(0) - head.template.amin(0)
    assert (size > torch.tensor((0.15, 0.25, 0.18))).all()
    assert (size < torch.tensor((0.30, 0.40, 0.30))).all()


def test_surface_faces_outward_and_quads_are_cut(head: Head) -> None:
    normals = vertex_normals(head.template, head.triangles)
    for shell in SHELLS:
        ids = torch.tensor(shell)
        arms = head.template[ids] - head.template[ids].mean(0)
        assert ((arms * normals[ids]).sum(1) > 0).double().mean() > 0.95
    assert normals[head.template[:, 2].argmax(), 2] > 0.5
    assert len(head.triangles) == 48836
    assert int(head.triangles.max()) < VERTICES


def test_parts_that_hide_the_face_are_left_out(head: Head, sample: Path) -> None:
    whole = read_obj_vertices(sample / "FaceXModel" / "generic_neutral_mesh.obj")
    assert len(whole) - head.vertex_count == 2128
    used = torch.unique(head.triangles)
    assert len(used) == head.vertex_count  # nothing hangs in the air either


def test_textures_do_not_overlap(head: Head) -> None:
    assert head.uvs.min() >= 0
    assert head.uvs.max() <= 1
    places = {}
    for name in ("face", "head", "gums", "teeth_upper", "eyeball_left", "eyeball_right"):
        part = PARTS[name]
        mine = ((head.triangles >= part.start) & (head.triangles < part.stop)).all(1)
        places[name] = head.uvs[head.uv_triangles[mine]].flatten(0, 1).mean(0)
    assert places["face"].max() < 0.75
    for a in places:
        for b in places:
            assert a == b or (places[a] - places[b]).norm() > 0.05, (a, b)


def test_shapes_are_the_kits_own(shaped: ShapedHead, sample: Path) -> None:
    np.testing.assert_allclose(posed(shaped), kit(sample, "generic_neutral_mesh"), atol=1e-7)
    for name, file in (
        ("eyeBlinkLeft", "eyeBlink_L"),
        ("mouthPucker", "mouthPucker"),
        ("mouthSmileRight", "mouthSmile_R"),
    ):
        np.testing.assert_allclose(posed(shaped, shapes={name: 1.0}), kit(sample, file), atol=1e-7, err_msg=name)
    both: Array = kit(sample, "browInnerUp_L") + kit(sample, "browInnerUp_R") - kit(sample, "generic_neutral_mesh")
    np.testing.assert_allclose(posed(shaped, shapes={"browInnerUp": 1.0}), both, atol=1e-7)


def test_identity_modes_are_the_kits_own(head: Head, sample: Path) -> None:
    code = torch.tensor((0.0, 1.0, 0.0, -2.0, 0.0), dtype=torch.float64)
    neutral = kit(sample, "generic_neutral_mesh")
    wanted = kit(sample, "identity001") - 2 * (kit(sample, "identity003") - neutral)
    np.testing.assert_allclose(shape_head(head, code).template, wanted, atol=1e-6)


def test_the_jaw_is_a_rotation(head: Head, shaped: ShapedHead, sample: Path) -> None:
    full = float(head.jaw_prior.high[0])
    assert np.degrees(full) == pytest.approx(25.3, abs=0.5)
    np.testing.assert_allclose(posed(shaped, jaw=(full, 0, 0)), kit(sample, "jawOpen"), atol=1e-6)
    teeth = list(PARTS["teeth_lower"])
    for opening in (0.3, 0.7):  # rigid all the way, where the kit's own straight path would shrink the teeth
        before, after = posed(shaped)[teeth], posed(shaped, jaw=(opening * full, 0, 0))[teeth]
        spread = np.linalg.norm(before - before.mean(0), axis=1)
        off = np.abs(np.linalg.norm(after - after.mean(0), axis=1) - spread)
        assert off.max() < 3e-4
    upper = [*PARTS["teeth_upper"], *PARTS["eyeball_left"]]
    np.testing.assert_allclose(posed(shaped, jaw=(full, 0, 0))[upper], posed(shaped)[upper], atol=1e-7)


def test_opening_is_smooth_and_down(head: Head, shaped: ShapedHead) -> None:
    full = float(head.jaw_prior.high[0])
    chin = int(np.argmin(np.where(posed(shaped)[:, 2] > 0.02, posed(shaped)[:, 1], 1)[: PARTS["face"].stop]))
    heights = [posed(shaped, jaw=(share * full, 0, 0))[chin, 1] for share in np.linspace(0, 1, 6)]
    assert (np.diff(heights) < 0).all()


def test_gaze_is_a_rotation_of_the_eyeballs(head: Head, shaped: ShapedHead) -> None:
    down_left = (0.2, 0.3, 0.0)
    vertices = posed(shaped, eyes=(down_left, (0.0, 0.0, 0.0)))
    for name, turns in (("eyeball_left", True), ("eyeball_right", False)):
        ids = list(PARTS[name])
        moved = np.abs(vertices[ids] - posed(shaped)[ids]).max()
        assert (moved > 0.005) == turns
    centre, axis = eye_axis(vertices[list(SHELLS[0])])
    before, straight = eye_axis(posed(shaped)[list(SHELLS[0])])
    np.testing.assert_allclose(centre, before, atol=3e-4)
    assert axis[0] > straight[0] + 0.2  # to the subject's left
    assert axis[1] < straight[1] - 0.15  # down


def test_lids_follow_the_gaze_as_the_kit_has_it(shaped: ShapedHead, sample: Path) -> None:
    looking_in = posed(shaped, eyes=((0.0, -GAZE, 0.0), (0.0, 0.0, 0.0)))
    skin = list(range(PARTS["eyeball_left"].start))
    np.testing.assert_allclose(looking_in[skin], kit(sample, "eyeLookIn_L")[skin], atol=1e-6)


def test_joints_move_with_identity(head: Head) -> None:
    """An eye's joint stays the centre of that eye, whoever's head it is."""
    code = torch.tensor((2.0, -2.0, 1.0, 0.0, 2.0), dtype=torch.float64)
    shaped = shape_head(head, code)
    for joint, shell in ((3, SHELLS[0]), (4, SHELLS[1])):
        centre, _ = eye_axis(shaped.template[list(shell)].numpy())
        assert np.linalg.norm(centre - shaped.joints[joint].numpy()) < 1e-3


def test_skinning_sums_to_one(head: Head) -> None:
    sums = head.skinning_weights.sum(1)
    torch.testing.assert_close(sums, torch.ones_like(sums), atol=1e-6, rtol=0)
    assert head.skinning_weights.min() >= 0
    torch.testing.assert_close(head.joint_regressor.sum(1), torch.ones(5, dtype=torch.float64), atol=1e-5, rtol=0)
    turned = head.zero_params().with_(neck=torch.tensor((0.0, 0.4, 0.0), dtype=torch.float64))
    shaped = shape_head(head, head.zero_identity())
    moved = (pose_head(shaped, turned).vertices - head.template).norm(dim=1)
    assert moved[head.template[:, 1].argmin()] < 1e-6  # the shoulders stay
    assert moved[head.template[:, 2].argmax()] > 0.02  # the nose does not


def test_iris_landmarks(head: Head) -> None:
    points = embed(head.embedding, head.template).numpy()
    for first, side in ((468, -1), (473, 1)):
        centre, left, up, right, down = points[first : first + 5]
        assert side * centre[0] > 0.02
        assert np.linalg.norm(left - right) == pytest.approx(0.0117, abs=5e-4)
        assert np.linalg.norm(up - down) == pytest.approx(0.0117, abs=5e-4)
        assert left[0] > centre[0] > right[0]
        assert up[1] > centre[1] > down[1]
    assert int(known_ict_landmarks(head.template.numpy(), head.triangles.numpy()).known.sum()) == 10


def test_embedding_lies_on_the_face(head: Head) -> None:
    embedding = head.embedding
    assert embedding.vertices.shape == (478, 3)
    torch.testing.assert_close(embedding.weights.sum(1), torch.ones(478, dtype=torch.float64), atol=1e-5, rtol=0)
    points = embed(embedding, head.template)
    assert points[33, 0] < -0.03  # the right eye's outer corner
    assert points[263, 0] > 0.03
    assert points[152, 1] < points[13, 1] < points[1, 1] < points[10, 1]  # chin, lips, nose, forehead


def test_progress_is_told(sample: Path) -> None:
    told: list[tuple[int, int]] = []
    read_ict_files(sample, lambda done, total: told.append((done, total)))
    assert told[0] == (0, 14)
    assert told[-1] == (14, 14)


def test_jaw_shapes_of_both_sides_become_rotations(sample: Path) -> None:
    """With jawLeft and jawRight too, which the sample lacks: mirrored pushes of the lower teeth."""
    files = read_ict_files(sample)
    expressions = dict(files.expressions)
    push = np.zeros((VERTICES, 3))
    push[list(PARTS["teeth_lower"])] = (0.0064, -0.0006, 0.0006)
    expressions["jawLeft"], expressions["jawRight"] = push, push * (-1, 1, 1)
    rig = rig_ict(files.neutral, expressions)
    assert np.degrees(rig.jaw_side) == pytest.approx(5.6, abs=0.5)
    without = rig_ict(files.neutral, {})  # no shape at all: a jaw of lower teeth alone
    assert set(np.flatnonzero(without.weights[:, 2])) == set(PARTS["teeth_lower"])
    assert not without.pose.any()


def test_affine_weights_follow_any_stretch() -> None:
    random = np.random.default_rng(0)
    points, target = 0.03 * random.standard_normal((40, 3)), np.array((0.004, -0.002, 0.01))
    weights = affine_weights(points, target)
    assert weights.sum() == pytest.approx(1)
    stretch, shift = np.eye(3) + 0.2 * random.standard_normal((3, 3)), random.standard_normal(3)
    np.testing.assert_allclose(weights @ (points @ stretch + shift), target @ stretch + shift, atol=1e-9)


# Folders that are not the kit.


def copy(sample: Path, folder: Path, change: Callable[[Path], object]) -> Path:
    there = folder / "FaceXModel"
    there.mkdir()
    for name in ("generic_neutral_mesh.obj", "identity000.obj", "eyeBlink_L.obj"):
        shutil.copyfile(sample / "FaceXModel" / name, there / name)  # not the mode: the sample is read-only
    change(there)
    return folder


def shorten(name: str, lines: int | None) -> Callable[[Path], object]:
    """To so many lines, or to no file at all."""

    def change(there: Path) -> None:
        if lines is None:
            (there / name).unlink()
            return
        text = (there / name).read_text().splitlines(keepends=True)
        (there / name).write_text("".join(text[:lines]))

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (shorten("generic_neutral_mesh.obj", None), "expected ICT-FaceKit's folder"),
        (shorten("generic_neutral_mesh.obj", 30000), "expected a mesh"),
        (shorten("identity000.obj", 20000), r"identity000\.obj: expected 26719 vertices, got 19974"),
        (lambda there: (there / "eyeBlink_L.obj").write_text("v 0 0 0\n"), "expected 26719 vertices, got 1"),
        (lambda there: (there / "generic_neutral_mesh.obj").write_text("v 0 0 0\nf 1 1 1\n"), "26719 vertices and"),
    ],
)
def test_broken_folders_are_told(sample: Path, tmp_path: Path, change: Callable[[Path], object], says: str) -> None:
    with pytest.raises(MienError, match=says):
        read_ict_files(copy(sample, tmp_path, change))


def test_neutral_alone_is_a_head(sample: Path, tmp_path: Path) -> None:
    folder = copy(sample, tmp_path, lambda there: there)
    for name in ("identity000", "eyeBlink_L"):
        (folder / "FaceXModel" / f"{name}.obj").unlink()
    head = read_ict(folder / "FaceXModel")
    assert (head.identity_size, head.expression_size) == (0, 0)
    assert torch.isfinite(pose_head(shape_head(head, head.zero_identity()), head.zero_params()).vertices).all()
