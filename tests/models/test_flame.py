"""FLAME's files, as their makers write them, become a head that moves as FLAME does."""

import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from models.flame import LEFT_IRIS, OUTLINE, RIGHT_IRIS, known_flame_landmarks, read_flame
from models.flame_companions import PURPOSES, missing_companions
from models.flame_files import KNOWN_FILES, read_flame_arrays
from models.head import Head, embed, pose_head, shape_head
from models.head_file import file_sha256, read_head, save_head
from models.library import load_head
from models.types import HeadParams, MienError
from tests.models.flame_writer import EYES, flame_like, old_pickle, open_pickle, write_companions, write_npz

Array = NDArray[Any]
Values = dict[str, Any]


@pytest.fixture(scope="module")
def values() -> Values:
    return flame_like()


@pytest.fixture(scope="module")
def folder(values: Values, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with every companion; the MediaPipe embedding gives all landmarks, so that nothing must be found."""
    folder = tmp_path_factory.mktemp("flame")
    (folder / "generic_model.pkl").write_bytes(old_pickle(values))
    write_companions(folder, values, landmarks=478)
    return folder


@pytest.fixture(scope="module")
def head(folder: Path) -> Head:
    return read_flame(folder / "generic_model.pkl")


def write(path: Path, values: Mapping[str, Any]) -> Path:
    path.write_bytes(old_pickle(values))
    return path


@pytest.mark.parametrize("form", ["old.pkl", "open.pkl", "dense.npz", "parts.npz"])
def test_every_form_is_read_bit_by_bit(values: Values, tmp_path: Path, form: str) -> None:
    path = tmp_path / form
    if form.endswith(".npz"):
        write_npz(path, values, parts=form == "parts.npz")
    else:
        path.write_bytes(old_pickle(values) if form == "old.pkl" else open_pickle(values))
    arrays = read_flame_arrays(path)
    wanted = {
        "template": values["v_template"],
        "triangles": values["f"],
        "shapes": values["shapedirs"],
        "pose": values["posedirs"],
        "joint_regressor": values["J_regressor"].toarray(),
        "weights": values["weights"],
    }
    for name, array in wanted.items():
        got = getattr(arrays, name)
        assert got.dtype == array.dtype, name
        np.testing.assert_array_equal(got, array, err_msg=name)
    assert arrays.sha256 == file_sha256(path)


def test_versions_are_told_apart(values: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return read_flame_arrays(tmp_path / name).version

    assert version("2020.pkl", pickle.dumps(values, 5)) == "FLAME 2020"
    assert version("2019.pkl", pickle.dumps(flame_like(moves="face"), 5)) == "FLAME 2019"
    assert version("open.pkl", open_pickle(values)) == "FLAME 2023 Open"
    between = values["shapedirs"].copy()
    between[:600, :, 300:] = 0
    assert version("odd.pkl", pickle.dumps({**values, "shapedirs": between}, 5)) == "FLAME, unknown version"
    low, high = values["v_template"].min(0), values["v_template"].max(0)
    bounds = np.array(((-0.1098, -0.1872, -0.1532), (0.1078, 0.1321, 0.0751)))
    template = bounds[0] + (values["v_template"] - low) / (high - low) * (bounds[1] - bounds[0])
    assert version("2023.pkl", pickle.dumps({**values, "v_template": template}, 5)) == "FLAME 2023 or 2023 Open"
    monkeypatch.setitem(KNOWN_FILES, file_sha256(tmp_path / "odd.pkl"), "FLAME 2023")  # as if it were that file
    assert read_flame_arrays(tmp_path / "odd.pkl").version == "FLAME 2023"


def flame_mesh(values: Values, shape: Array, expression: Array, pose: Array) -> Array:
    """FLAME's own definition, in loops: pose [5, 3] axis-angle of root, neck, jaw, left eye, right eye."""
    shaped = values["v_template"] + values["shapedirs"] @ np.concatenate((shape, expression))
    joints = values["J_regressor"].toarray() @ shaped
    rotations = Rotation.from_rotvec(pose).as_matrix()
    resting = shaped + values["posedirs"] @ (rotations[1:] - np.eye(3)).ravel()
    parents = [-1, 0, 1, 1, 1]
    worlds: list[Array] = []
    for joint, parent in enumerate(parents):
        local = np.eye(4)
        local[:3, :3] = rotations[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if joint else 0)
        worlds.append(worlds[parent] @ local if joint else local)
    posed = np.zeros_like(resting)
    for joint, world in enumerate(worlds):
        moved = (resting - joints[joint]) @ world[:3, :3].T + world[:3, 3]
        posed += values["weights"][:, joint, None] * moved
    return np.asarray(posed)


def test_the_head_moves_as_flame_does(values: Values, head: Head) -> None:
    random = np.random.default_rng(1)
    shape, expression = random.standard_normal(300), random.standard_normal(100)
    pose = np.concatenate((np.zeros((1, 3)), 0.3 * random.standard_normal((4, 3))))
    double = head.to(dtype=torch.float64)
    params = HeadParams(
        expression=torch.cat((torch.from_numpy(expression), torch.zeros(2, dtype=torch.float64))),  # eyelids open
        neck=torch.from_numpy(pose[1]),
        jaw=torch.from_numpy(pose[2]),
        eyes=torch.from_numpy(pose[3:]),
    )
    mesh = pose_head(shape_head(double, torch.from_numpy(shape)), params)
    np.testing.assert_allclose(mesh.vertices.numpy(), flame_mesh(values, shape, expression, pose), atol=2e-6)


def test_what_the_head_says_of_itself(head: Head, folder: Path) -> None:
    assert head.name == "FLAME 2020"
    assert "non-commercial" in head.licence
    assert head.sha256 == file_sha256(folder / "generic_model.pkl")
    assert (head.identity_size, head.expression_size) == (300, 102)
    assert head.expression_names[-2:] == ("eyelidLeft", "eyelidRight")
    assert head.expression_prior.high[0] == 3
    assert head.expression_prior.high[-1] == 1
    assert {"face", "neck", "lips", "eyeball_left", "eyeball_right"} <= set(head.regions)
    assert head.uvs.min() >= 0
    assert head.uvs.max() <= 1


def test_eyelids_close_the_eye_they_are_named_after(values: Values, folder: Path, head: Head, tmp_path: Path) -> None:
    still = head.zero_params()
    shaped = shape_head(head, head.zero_identity())
    for number, side in ((100, 1), (101, -1)):
        closed = still.with_(expression=torch.eye(102)[number])
        moved = (pose_head(shaped, closed).vertices - pose_head(shaped, still).vertices).norm(dim=1)
        assert moved.max() > 0.005
        assert side * head.template[moved.argmax(), 0] > 0.01
    for name in PURPOSES:
        swapped = {"l_eyelid.npy": "r_eyelid.npy", "r_eyelid.npy": "l_eyelid.npy"}.get(name, name)
        (tmp_path / swapped).write_bytes((folder / name).read_bytes())
    again = read_flame(write(tmp_path / "generic_model.pkl", values))
    assert torch.equal(again.expression_basis, head.expression_basis)  # the file's name is not what tells the side


def test_landmarks_come_from_the_files_beside(values: Values, folder: Path, head: Head) -> None:
    points = embed(head.embedding, head.template).numpy()
    with np.load(folder / "mediapipe_landmark_embedding.npz") as file:
        corners = values["v_template"][values["f"][file["lmk_face_idx"]]]
        wanted = (corners * file["lmk_b_coords"][..., None]).sum(1)
    np.testing.assert_allclose(points[:468], wanted[:468], atol=1e-6)
    np.testing.assert_allclose(points[468:473], values["v_template"][list(RIGHT_IRIS)], atol=1e-7)
    np.testing.assert_allclose(points[473:], values["v_template"][list(LEFT_IRIS)], atol=1e-7)


def test_the_outline_comes_from_the_contour_file(values: Values, folder: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "generic_model.pkl", values)
    arrays = read_flame_arrays(path)
    assert int(known_flame_landmarks(path, arrays).known.sum()) == 10  # the irises
    (tmp_path / "landmark_embedding.npy").write_bytes((folder / "landmark_embedding.npy").read_bytes())
    known = known_flame_landmarks(path, arrays)
    assert set(known.known.nonzero().ravel().tolist()) == {*OUTLINE.values(), *range(468, 478)}
    contour: Any = np.load(folder / "landmark_embedding.npy", allow_pickle=True).item()
    corners = values["v_template"][values["f"][contour["full_lmk_faces_idx"][0]]]
    wanted = (corners * contour["full_lmk_bary_coords"][0][..., None]).sum(1)
    points = embed(known.embedding, torch.from_numpy(values["v_template"]))
    for point, landmark in OUTLINE.items():
        np.testing.assert_allclose(points[landmark], wanted[point], atol=1e-6)


def test_contour_file_whose_every_array_is_a_tensor(values: Values, folder: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "generic_model.pkl", values)
    contour: Any = np.load(folder / "landmark_embedding.npy", allow_pickle=True).item()
    tensors: Any = {name: torch.as_tensor(array) for name, array in contour.items()}
    np.save(tmp_path / "landmark_embedding.npy", tensors, allow_pickle=True)
    assert int(known_flame_landmarks(path, read_flame_arrays(path)).known.sum()) == len(OUTLINE) + 10


def test_texture_coordinates_regions_and_colours(values: Values, head: Head) -> None:
    corner_uvs = head.uvs[head.uv_triangles].numpy()
    corners = values["v_template"][values["f"]]
    np.testing.assert_allclose(corner_uvs[..., 0], 0.5 + 3 * corners[..., 0], atol=1e-5)
    np.testing.assert_allclose(corner_uvs[..., 1], 0.5 - 3 * corners[..., 1], atol=1e-5)  # from the top
    np.testing.assert_array_equal(head.regions["face"], np.flatnonzero(values["v_template"][:, 2] > 0.03))
    for name, centre in zip(("eyeball_left", "eyeball_right"), EYES, strict=True):
        ball = head.template[head.regions[name]].numpy()
        assert len(ball) == 546
        assert np.abs(np.linalg.norm(ball - centre, axis=1) - 0.012).max() < 1e-6
    assert (head.colours[head.regions["eyeball_left"]].mean(0) > head.colours[0]).all()


def test_without_companions_the_head_has_a_cylinder_of_uvs(values: Values, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mediapipe_landmark_embedding.npz").write_bytes(
        (folder / "mediapipe_landmark_embedding.npz").read_bytes()
    )
    head = read_flame(write(tmp_path / "generic_model.pkl", values))
    assert head.expression_size == 100
    assert set(head.regions) == {"eyeball_left", "eyeball_right"}
    assert head.uvs.min() >= 0
    assert head.uvs.max() <= 1
    assert (head.uvs[head.uv_triangles][..., 0].amax(1) - head.uvs[head.uv_triangles][..., 0].amin(1)).max() < 0.5
    assert len(missing_companions(tmp_path / "generic_model.pkl")) == len(PURPOSES) - 1


def test_a_flame_head_is_saved_and_read(head: Head, tmp_path: Path) -> None:
    save_head(head, tmp_path / "head.npz")
    read = read_head(tmp_path / "head.npz")
    assert read.name == head.name
    assert (read.identity_basis - head.identity_basis).abs().max() < 1.1e-6


def test_landmarks_are_found_where_no_file_gives_them(tmp_path: Path) -> None:
    """On Mien's own head resampled as FLAME it is known where they belong."""
    own = load_head()
    values = flame_like(skin=own)
    assert values["v_template"].shape == (5023, 3)  # type: ignore[attr-defined]
    head = read_flame(write(tmp_path / "generic_model.pkl", values))
    off = (embed(head.embedding, head.template) - embed(own.embedding, own.template)).norm(dim=1)
    assert off.median() < 0.002  # the resampling's own error is half of it
    assert off.max() < 0.006


# What is not FLAME.


def without(key: str) -> Callable[[Values], object]:
    return lambda values: values.pop(key)


def bend(key: str, change: Callable[[Any], Any]) -> Callable[[Values], object]:
    def apply(values: Values) -> None:
        values[key] = change(values[key].copy())

    return apply


def set_first(value: float) -> Callable[[Array], Array]:
    def change(array: Array) -> Array:
        array.flat[0] = value
        return array

    return change


BROKEN: dict[str, tuple[Callable[[Values], object], str]] = {
    "no shapes": (without("shapedirs"), "expected a FLAME model, but it holds no template"),
    "no weights": (without("weights"), "lacks weights"),
    "no regressor": (without("J_regressor"), "lacks J_regressor"),
    "300 shapes": (bend("shapedirs", lambda a: a[:, :, :300]), r"expected shapedirs of shape \[5023, 3, 400\]"),
    "fewer vertices": (bend("v_template", lambda a: a[:-1]), r"expected v_template of shape \[5023, 3\]"),
    "flat template": (bend("v_template", lambda a: a.ravel()), r"got \[15069\]"),
    "35 correctives": (bend("posedirs", lambda a: a[:, :, 1:]), "expected posedirs of shape"),
    "NaN in the template": (bend("v_template", set_first(np.nan)), "expected finite numbers in v_template"),
    "infinite shape": (bend("shapedirs", set_first(np.inf)), "expected finite numbers in shapedirs"),
    "triangle beyond": (bend("f", set_first(5023)), "expected triangles of vertices 0 to 5022"),
    "weights of 2": (bend("weights", lambda a: 2 * a), "expected skinning weights that sum to 1"),
    "negative weights": (bend("weights", set_first(-1)), "expected skinning weights"),
    "other joints": (bend("kintree_table", lambda a: a[:, ::-1]), "expected FLAME's joints with parents"),
    "regressor of ones": (
        lambda v: v.update(J_regressor=scipy.sparse.csc_matrix(np.ones((5, 5023)))),
        "expected rows of J_regressor that sum to 1",
    ),
    "regressor of other size": (
        lambda v: v.update(J_regressor=scipy.sparse.csc_matrix(np.eye(5))),
        r"expected J_regressor of shape \[5, 5023\]",
    ),
    "template of objects": (
        lambda v: v.update(v_template=v["v_template"].astype(object)),
        "expected numbers in v_template, but it holds an array of objects",
    ),
    "template of text": (lambda v: v.update(v_template="template"), "but it holds str"),
}


@pytest.mark.parametrize(("change", "says"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_models_are_told(values: Values, tmp_path: Path, change: Callable[[Values], object], says: str) -> None:
    changed = dict(values)
    change(changed)
    path = tmp_path / "open.pkl"
    path.write_bytes(open_pickle(changed))
    with pytest.raises(MienError, match=says):
        read_flame_arrays(path)


def test_other_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    (tmp_path / "text.pkl").write_bytes(b"hello")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name in ("list.pkl", "text.pkl", "other.npz", "none.pkl", "none.npz"):
        with pytest.raises(MienError, match=name.replace(".", r"\.")):
            read_flame_arrays(tmp_path / name)


class Runs:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def test_nothing_in_a_model_is_run(values: Values, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    for changed in ({**values, "bs_style": Runs(marker)}, {**values, "shapedirs": Runs(marker)}):
        (tmp_path / "m.pkl").write_bytes(pickle.dumps(changed, 2))
        with pytest.raises(MienError, match=r"the file asks for the name 'posix\.system'; nothing of it was run"):
            read_flame_arrays(tmp_path / "m.pkl")
    assert not marker.exists()


def test_truncated_models_are_told(values: Values, tmp_path: Path) -> None:
    small = {key: value for key, value in values.items() if key not in ("shapedirs", "posedirs")}
    whole = old_pickle({**small, "shapedirs": values["shapedirs"][:9], "posedirs": values["posedirs"][:9]})
    for length in np.linspace(0, len(whole) - 1, 60).astype(int):
        (tmp_path / "m.pkl").write_bytes(whole[:length])
        with pytest.raises(MienError):
            read_flame_arrays(tmp_path / "m.pkl")


def saved_npy(array: object) -> Callable[[Path], None]:
    return lambda path: np.save(path, array, allow_pickle=True)  # type: ignore[arg-type]


def saved_npz(**arrays: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)


def mediapipe(**changes: Any) -> Callable[[Path], None]:
    good = {"landmark_indices": np.arange(9), "lmk_face_idx": np.arange(9), "lmk_b_coords": np.full((9, 3), 1 / 3)}
    return saved_npz(**{**good, **changes})


BROKEN_COMPANIONS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "no indices": ("mediapipe_landmark_embedding.npz", saved_npz(a=np.zeros(3)), "expected landmark_indices"),
    "landmark 478": ("mediapipe_landmark_embedding.npz", mediapipe(landmark_indices=np.arange(470, 479)), "0 to 477"),
    "triangle beyond": ("mediapipe_landmark_embedding.npz", mediapipe(lmk_face_idx=np.full(9, 9976)), "0 to 9975"),
    "weights of 2": ("mediapipe_landmark_embedding.npz", mediapipe(lmk_b_coords=np.full((9, 3), 2.0)), "sum to 1"),
    "weights of NaN": ("mediapipe_landmark_embedding.npz", mediapipe(lmk_b_coords=np.full((9, 3), np.nan)), "finite"),
    "a list": ("landmark_embedding.npy", saved_npy([1, 2]), "expected a dictionary of arrays"),
    "no contour": ("landmark_embedding.npy", saved_npy({"a": 1}), "expected full_lmk_faces_idx"),
    "a call": ("landmark_embedding.npy", saved_npy({"a": Runs(Path("ran"))}), r"the name 'posix\.system'"),
    "51 points": (
        "landmark_embedding.npy",
        saved_npy({"full_lmk_faces_idx": np.zeros(51, int), "full_lmk_bary_coords": np.zeros((51, 3))}),
        "expected 68 landmarks, got 51",
    ),
    "short eyelid": ("l_eyelid.npy", saved_npy(np.zeros((9, 3))), r"expected offsets of shape \[5023, 3\]"),
    "still eyelid": ("l_eyelid.npy", saved_npy(np.zeros((5023, 3))), "expected offsets of millimetres"),
    "eyelid of metres": ("l_eyelid.npy", saved_npy(np.ones((5023, 3))), "expected offsets of millimetres"),
    "another mesh": ("head_template.obj", lambda path: path.write_text("v 0 0 0\nf 1 1 1\n"), "on 9976 triangles"),
    "masks of text": ("FLAME_masks.pkl", lambda path: path.write_bytes(pickle.dumps({"face": "all"})), "in face"),
    "vertex 5023": ("FLAME_masks.pkl", lambda path: path.write_bytes(pickle.dumps({"face": [5023]})), "in face"),
    "a list of masks": ("FLAME_masks.pkl", lambda path: path.write_bytes(pickle.dumps([1])), "regions by name"),
}


@pytest.mark.parametrize(("name", "write_it", "says"), BROKEN_COMPANIONS.values(), ids=BROKEN_COMPANIONS.keys())
def test_broken_companions_are_told(
    folder: Path, tmp_path: Path, name: str, write_it: Callable[[Path], object], says: str
) -> None:
    for file in folder.iterdir():
        if file.name != name:
            os.link(file, tmp_path / file.name)
    write_it(tmp_path / name)
    with pytest.raises(MienError, match=f"{name}.*{says}"):
        read_flame(tmp_path / "generic_model.pkl")


def test_both_eyelids_of_one_eye_are_told(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        os.link(file, tmp_path / file.name)
    (tmp_path / "r_eyelid.npy").unlink()
    os.link(folder / "l_eyelid.npy", tmp_path / "r_eyelid.npy")
    with pytest.raises(MienError, match="move the same eye"):
        read_flame(tmp_path / "generic_model.pkl")
