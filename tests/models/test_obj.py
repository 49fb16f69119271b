"""OBJ files: polygons become triangles, indices of every style are understood, damage ends in one clear error."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.obj import read_obj, read_obj_vertices
from models.types import MienError

SQUARE = """# a square and a triangle
mtllib some.mtl
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 0 2 1e-1
vt 0 0
vt 1 0
vt 1 1
vt 0 1
vt 0 0.5
usemtl skin
f 1/1 2/2 3/3 4/4
f 4/4 3/3 5/5
"""


def mesh(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "a.obj"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_quads_become_triangles(tmp_path: Path) -> None:
    read = read_obj(mesh(tmp_path, SQUARE))
    assert read.vertices.shape == (5, 3)
    assert read.vertices[4].tolist() == [0, 2, 0.1]
    assert read.triangles.tolist() == [[0, 1, 2], [0, 2, 3], [3, 2, 4]]
    assert read.uv_triangles.tolist() == read.triangles.tolist()
    assert read.uvs[4].tolist() == [0, 0.5]
    np.testing.assert_array_equal(read_obj_vertices(tmp_path / "a.obj"), read.vertices)


@pytest.mark.parametrize(
    "faces",
    [
        "f 1 2 3 4",
        "f 1//1 2//2 3//3 4//4",
        "f -5 -4 -3 -2",
        "f  1\t2  3 4 ",
        "f 1/1/1 2/2/2 3/3/3 4/4/4",
        "f 1 2 3\nf 1 3 4",
    ],
)
def test_styles_of_corners(tmp_path: Path, faces: str) -> None:
    text = SQUARE[: SQUARE.index("f 1/1")] + faces + "\n"
    assert read_obj(mesh(tmp_path, text)).triangles.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_a_polygon_of_six_keeps_its_area(tmp_path: Path) -> None:
    turn = np.arange(6) * np.pi / 3
    lines = [f"v {x} {y} 0" for x, y in zip(np.cos(turn), np.sin(turn), strict=True)]
    read = read_obj(mesh(tmp_path, "\n".join([*lines, "f 1 2 3 4 5 6"])))
    a, b, c = (read.vertices[read.triangles[:, corner]] for corner in range(3))
    areas = np.cross(b - a, c - a)[:, 2] / 2
    assert len(areas) == 4
    assert (areas > 0).all()
    assert areas.sum() == pytest.approx(1.5 * 3**0.5)


def test_line_ends_colours_and_missing_texture(tmp_path: Path) -> None:
    text = "v 0 0 0 0.5 0.5 0.5\nv 1 0 0 0.5 0.5 0.5\nv 1 1 0 0.5 0.5 0.5\nf 1 2 3\n"
    read = read_obj(mesh(tmp_path, text.replace("\n", "\r\n")))
    assert read.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert len(read.uvs) == len(read.uv_triangles) == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("v 1 1 0", "v 1 1"), "expected 3 numbers in each line 'v', got 2, 3"),
        (("v 1 1 0", "v 1 one 0"), "expected 15 finite numbers"),
        (("v 1 1 0", "v 1 nan 0"), "expected 15 finite numbers"),
        (("v 1 1 0", "v 1 1e999 0"), "expected 15 finite numbers"),
        (("v 1 1 0", "v 1 0x1 0"), "expected 15 finite numbers"),
        (("v 1 1 0", "v 1 \u00e9 0"), "expected 15 finite numbers"),
        (("vt 1 1", "vt 1"), "expected 2 numbers in each line 'vt'"),
        (("f 4/4 3/3 5/5", "f 4/4 3/3 6/5"), "expected corners of faces from 1 to 5, got 1 to 6"),
        (("f 4/4 3/3 5/5", "f 4/4 3/3 0/5"), "expected corners of faces from 1 to 5, got 0 to 4"),
        (("f 4/4 3/3 5/5", "f 4/4 3/3 -6/5"), "expected corners of faces from 1 to 5"),
        (("f 4/4 3/3 5/5", "f 4/4 3/3 5/9"), "expected corners of faces from 1 to 5, got 1 to 9"),
        (("f 4/4 3/3 5/5", "f 4/4 3/3"), "expected at least 3 corners in each face, got 2"),
        (("f 4/4 3/3 5/5", "f 4/4 3/3 x/5"), "expected whole numbers as the corners"),
        (("f 4/4 3/3 5/5", f"f 4/4 3/3 {'9' * 30}/5"), "expected whole numbers as the corners"),
        (("f 4/4 3/3 5/5", f"f 4/4 3/3 {'9' * 9000}/5"), "expected whole numbers as the corners"),
        ((SQUARE, ""), "expected a mesh, got 0 vertices and 0 faces"),
        ((SQUARE, "f 1 2 3"), "expected a mesh, got 0 vertices and 1 faces"),
        ((SQUARE, "\x00\xff" * 100), "expected a mesh"),
    ],
    ids=str,
)
def test_damage_is_told(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    with pytest.raises(MienError, match=says):
        read_obj(mesh(tmp_path, SQUARE.replace(*change)))


def test_no_file_and_too_large_a_file(tmp_path: Path) -> None:
    with pytest.raises(MienError, match="no such file"):
        read_obj(tmp_path / "none.obj")
    with (tmp_path / "large.obj").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(MienError, match="expected at most"):
        read_obj(tmp_path / "large.obj")


@settings(max_examples=200)
@given(st.data())
def test_any_change_gives_a_mesh_or_one_kind_of_error(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    whole = bytearray(SQUARE.encode())
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=6)):
        whole[place] = value
    path = tmp_path_factory.getbasetemp() / "changed.obj"
    path.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    try:
        read = read_obj(path)
    except MienError:
        return
    assert np.isfinite(read.vertices).all()
    assert read.triangles.max() < len(read.vertices)


def test_a_mesh_of_ict_facekit_is_read_fast(shared_dir: Path) -> None:
    folder = shared_dir / "ict_facekit_sample" / "FaceXModel"
    if not folder.is_dir():
        pytest.skip("needs the sample of ICT-FaceKit beside the checkout")
    start = time.process_time()
    read = read_obj(folder / "generic_neutral_mesh.obj")
    vertices = read_obj_vertices(folder / "jawOpen.obj")
    assert time.process_time() - start < 2  # 0.2 s, with room for a busy machine
    assert vertices.shape == read.vertices.shape == (26719, 3)
    assert read.triangles.shape == read.uv_triangles.shape == (25836 * 2 + 548, 3)
