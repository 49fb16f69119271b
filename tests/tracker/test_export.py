"""`mien export`: what a frame was comes out again, in each program's words; what cannot be is told."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygltflib
import pytest
import torch
from PIL import Image

from models.builtin import load_builtin
from models.camera import facing_camera, project
from models.head import pose_head, shape_head
from models.npz import read_npz, write_npz
from models.obj import read_obj
from models.types import HeadParams, Identity, Landmarks, MienError, State, TrackResult
from render.camera_export import from_opencv
from tests.test_mien import command
from tracker.jobs.export import MAX_TEXTURE_BYTES, export, texture_of
from tracker.jobs.results import Source, write_identity
from tracker.jobs.track_rows import TrackRows

HEAD = load_builtin()
FIRST = 40  # the first frame's number in its source
LOST = 2  # the row without a face
IDENTITY = Identity(
    0.5 * torch.ones(HEAD.identity_size), 700.0, (640, 480), HEAD.name, HEAD.sha256, torch.full((52,), 0.02)
)


def some_params(row: int) -> HeadParams:
    params = HEAD.zero_params()
    params.expression[row] = 0.6
    params.jaw[0] = 0.02 * row
    return params


def a_result(row: int) -> TrackResult:
    found = row != LOST
    camera = facing_camera(640, 480, 0.5 + 0.01 * row, 700.0)
    landmarks = Landmarks(np.zeros((478, 2), np.float32), np.zeros(478, np.float32), (640, 480), 1.0)
    return TrackResult(
        index=FIRST + row,
        time_s=row / 30,
        size_px=(640, 480),
        state=State.TRACKING if found else State.LOST,
        params=some_params(row) if found else None,
        camera=camera if found else None,
        landmarks=landmarks if found else None,
        fitted_px=landmarks.points_px if found else None,
        fitted_m=np.zeros((478, 3), np.float32) if found else None,
        blendshapes=np.full(52, 0.1 * row, np.float32) if found else None,
        error_iod=0.01 if found else None,
        detect_ms=1.0,
        fit_ms=1.0,
        seen_camera=facing_camera(640, 480, 0.7 + 0.01 * row, 900.0) if found else None,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tracked")
    with TrackRows(path, Source(HEAD, "mesh")) as rows:
        for row in range(4):
            rows.add(a_result(row))
        write_npz(path / "track.npz", rows.arrays(IDENTITY))
    write_identity(path / "identity.npz", IDENTITY)
    return path


def posed(row: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return pose_head(shape_head(HEAD, IDENTITY.shape), some_params(row)).vertices.numpy()


def test_a_frame_is_a_mesh(folder: Path, tmp_path: Path) -> None:
    export(folder, tmp_path / "a.obj", "builtin", FIRST + 3)
    assert np.abs(read_obj(tmp_path / "a.obj").vertices - posed(3)).max() < 1e-6
    export(folder, tmp_path / "a.ply", "builtin", FIRST + 1)
    body = (tmp_path / "a.ply").read_bytes().split(b"end_header\n", 1)[1]
    rows = np.frombuffer(body, [("p", "<f4", 3), ("n", "<f4", 3), ("c", "u1", 3)], HEAD.vertex_count)
    assert np.abs(rows["p"] - posed(1)).max() < 1e-6


def test_its_camera_puts_the_mesh_where_it_was_seen(folder: Path, tmp_path: Path) -> None:
    export(folder, tmp_path / "camera.json", "builtin", FIRST + 3)
    told = json.loads((tmp_path / "camera.json").read_text())
    assert told["size_px"] == [640, 480]
    points = HEAD.template.double()
    camera = a_result(3).seen_camera
    assert camera is not None
    assert (project(from_opencv(told["opencv"]), points) - project(camera, points.float())).abs().max() < 1e-3


def test_a_glb_holds_the_performance_or_one_frame(folder: Path, tmp_path: Path) -> None:
    export(folder, tmp_path / "all.glb", "builtin", None)
    export(folder, tmp_path / "one.glb", "builtin", FIRST + 3)
    whole, one = (pygltflib.GLTF2.load_from_bytes((tmp_path / f"{n}.glb").read_bytes()) for n in ("all", "one"))
    assert whole.accessors[whole.animations[0].samplers[0].input].count == 3
    assert one.animations == []
    assert one.meshes[0].weights == pytest.approx([0.3] * 52)
    assert one.nodes[0].translation == pytest.approx([0, 0, -0.53])


def test_a_texture_beside_the_track_goes_into_the_glb(folder: Path, tmp_path: Path) -> None:
    for name in ("track.npz", "identity.npz"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    Image.new("RGB", (4, 4), (9, 8, 7)).save(tmp_path / "texture.png")
    export(tmp_path, tmp_path / "a.glb", "builtin", FIRST)
    assert (tmp_path / "texture.png").read_bytes() in (tmp_path / "a.glb").read_bytes()


@pytest.mark.parametrize(
    ("name", "frame", "says"),
    [
        ("a.fbx", None, r"expected a name that ends in \.glb, \.obj, \.ply, \.json"),
        ("none/a.ply", None, "expected an existing folder"),
        ("a.ply", 7, "expected a frame from 40 to 43, got 7"),
        ("a.ply", FIRST + LOST, "frame 42 has no face; the nearest one that has is 41"),
    ],
)
def test_what_cannot_be_is_told(folder: Path, tmp_path: Path, name: str, frame: int | None, says: str) -> None:
    with pytest.raises(MienError, match=says):
        export(folder, tmp_path / name, "builtin", frame)
    assert not (tmp_path / name).exists()


def test_the_track_itself_may_be_named(folder: Path, tmp_path: Path) -> None:
    export(folder / "track.npz", tmp_path / "a.ply", "builtin", None)
    assert (tmp_path / "a.ply").is_file()
    with pytest.raises(MienError, match=r"holds no track\.npz"):
        export(tmp_path, tmp_path / "a.ply", "builtin", None)


def test_a_track_that_is_none_is_told(folder: Path, tmp_path: Path) -> None:
    write_identity(tmp_path / "identity.npz", IDENTITY)
    arrays = read_npz(folder / "track.npz")
    for change, says in (
        ({"jaw": arrays["jaw"][:, :2]}, r"expected jaw as numbers of shape \[4, 3\], got float32 \[4, 2\]"),
        ({"frame": arrays["time_s"]}, "expected frame as whole numbers"),
        ({"rotation": np.full_like(arrays["rotation"], np.nan)}, "no frame of it has a face"),
        ({key: arrays[key][:0] for key in arrays if arrays[key].ndim}, "no frame of it has a face"),
    ):
        write_npz(tmp_path / "track.npz", {**arrays, **change})
        with pytest.raises(MienError, match=says):
            export(tmp_path, tmp_path / "a.ply", "builtin", None)
    write_npz(tmp_path / "track.npz", {"x": np.zeros(3)})
    with pytest.raises(MienError, match=r"expected a track\.npz of Mien, but it lacks frame"):
        export(tmp_path, tmp_path / "a.ply", "builtin", None)


def test_a_texture_that_is_too_large_is_told(tmp_path: Path) -> None:
    with (tmp_path / "texture.png").open("wb") as stream:
        stream.truncate(MAX_TEXTURE_BYTES + 1)
    with pytest.raises(MienError, match="expected a texture of at most 64 MiB"):
        texture_of(tmp_path)


def test_another_head_is_told(folder: Path, tmp_path: Path) -> None:
    write_npz(tmp_path / "track.npz", read_npz(folder / "track.npz"))
    write_identity(tmp_path / "identity.npz", replace(IDENTITY, head="Other", head_sha256="0" * 64))
    with pytest.raises(MienError, match="is an identity of the head Other"):
        export(tmp_path, tmp_path / "a.ply", "builtin", None)


def test_a_table_has_a_line_a_frame(folder: Path, tmp_path: Path) -> None:
    export(folder, tmp_path / "a.csv", "builtin", None)
    with (tmp_path / "a.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["frame"] for line in lines] == ["40", "41", "42", "43"]
    assert [float(line["translation_z_m"]) for line in lines if line["frame"] != "42"] == pytest.approx(
        [0.5, 0.51, 0.53]
    )
    assert float(lines[3]["jawOpen"]) == pytest.approx(0.3)
    assert {lines[LOST][name] for name in lines[LOST] if name not in ("frame", "time_s")} == {""}
    export(folder, tmp_path / "b.csv", "builtin", FIRST + 1)
    assert (tmp_path / "b.csv").read_text().splitlines()[1] == (tmp_path / "a.csv").read_text().splitlines()[2]


def test_the_command(folder: Path, tmp_path: Path) -> None:
    told = command(f"export {folder} --frame {FIRST} -o {tmp_path / 'a.ply'}")
    assert (told.returncode, told.stdout) == (0, f"{tmp_path / 'a.ply'}: frame 40\n")
