"""A mesh in a file, in whatever pose and unit, to a head that moves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.arkit import arkit_params
from models.arkit_names import ARKIT_NAMES
from models.embedding.similarity import Similarity, align
from models.head import embed, pose_head, shape_head
from models.head_file import read_head, save_head
from models.types import MienError
from tests.models.builtin import builtin_head, builtin_template, bumpy_ball, person, turn
from tracker.jobs.face_on_mesh import CLOSE_ROUNDS, CLOSE_VIEWS, WHOLE, find_face
from tracker.jobs.import_head import import_mesh
from tracker.landmarks import open_detector
from tracker.search import Effort, FaceSearch, FoundFace

Floats = NDArray[np.float64]


def write_obj(path: Path, vertices: Floats, triangles: NDArray[np.int64]) -> Path:
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices]
    lines += [f"f {a} {b} {c}" for a, b, c in triangles + 1]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_person_lying_in_millimetres_becomes_a_head(tmp_path: Path) -> None:
    vertices, truth = person(seed=21)
    pose = Similarity(1000.0, turn(-80, 10, 140), np.array((300.0, -20.0, 1500.0)))
    triangles = builtin_template().triangles.copy()
    triangles[:, [1, 2]] = triangles[:, [2, 1]]  # wound inside out, too
    said: list[str] = []
    head = import_mesh(write_obj(tmp_path / "stranger.obj", pose(vertices), triangles), said.append)
    assert any("millimetres" in line for line in said)
    save_head(head, tmp_path / "head.npz")
    head = read_head(tmp_path / "head.npz")
    assert head.name == "imported stranger"

    landmarks = embed(head.embedding, head.template).double().numpy()
    back = align(landmarks, truth)
    assert back.scale == pytest.approx(1, abs=0.03)
    tilt = np.degrees(np.arccos(np.clip((np.trace(back.rotation) - 1) / 2, -1, 1)))
    print(f"tilt {tilt:.1f} degrees")
    assert tilt < 4  # it stands upright in the head frame, as the person did
    assert np.median(np.linalg.norm(landmarks - truth, axis=1)) < 0.006
    assert np.median(np.linalg.norm(back(landmarks) - truth, axis=1)) < 0.002

    weights = torch.zeros(len(ARKIT_NAMES))
    weights[ARKIT_NAMES.index("jawOpen")] = 1
    opened = pose_head(shape_head(head, head.zero_identity()), arkit_params(head, weights))
    moved = embed(head.embedding, opened.vertices).double().numpy()
    assert np.linalg.norm(moved[13] - moved[14]) > 0.03
    assert np.linalg.norm(moved[6] - landmarks[6]) < 0.001


def test_the_face_of_a_whole_body_is_found() -> None:
    vertices, truth = person(seed=22)
    trunk, sides = bumpy_ball()
    body = np.concatenate([vertices, trunk * (2, 5, 1.2) + np.array((0, -0.75, -0.06))])
    triangles = np.concatenate([builtin_template().triangles, sides + len(vertices)])
    usual = embed(builtin_head().embedding, builtin_head().template).double().numpy()
    detector = open_detector(still=True, upright=True)
    face = find_face(body, triangles, usual, detector, lambda done, total: None)
    detector.close()
    assert face is not None
    seen = np.isfinite(face.points).all(1)
    assert seen.sum() > 300
    assert np.median(np.linalg.norm(face.points - truth, axis=1)[seen]) < 0.004


def test_a_mesh_without_a_face_is_told_after_one_search_a_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searched, all_faces = [], FaceSearch.all_faces

    def counted(search: FaceSearch, image: NDArray[np.uint8], effort: Effort) -> list[FoundFace]:
        searched.append(effort)
        return all_faces(search, image, effort)

    monkeypatch.setattr(FaceSearch, "all_faces", counted)
    with pytest.raises(MienError, match="no face was seen"):
        import_mesh(write_obj(tmp_path / "ball.obj", *bumpy_ball(rings=30)))
    assert len(searched) <= 6 * len(WHOLE[1]) + CLOSE_ROUNDS * len(CLOSE_VIEWS)


@pytest.mark.parametrize("far", ["2e9", "-1e200", "inf"])
def test_coordinates_too_large_to_reckon_with_are_told(tmp_path: Path, far: str) -> None:
    mesh = write_obj(tmp_path / "far.obj", *bumpy_ball(rings=30))
    mesh.write_text(f"v 0 {far} 0\n" + mesh.read_text())
    with pytest.raises(MienError, match=r"far\.obj: expected (coordinates between|.* finite numbers)"):
        import_mesh(mesh)


def test_too_coarse_a_mesh_is_told(tmp_path: Path) -> None:
    with pytest.raises(MienError, match="finer mesh"):
        import_mesh(write_obj(tmp_path / "coarse.obj", *bumpy_ball(rings=6)))


def test_triangles_without_area_do_not_count(tmp_path: Path) -> None:
    vertices, triangles = bumpy_ball(rings=30)
    with pytest.raises(MienError, match=r"got 0;"):
        import_mesh(write_obj(tmp_path / "flat.obj", vertices, np.stack([triangles[:, 0]] * 3, 1)))
