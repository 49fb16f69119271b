"""`mien export`: a frame of a track, or all of it, in the words of another program, told by the output's ending."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES
from models.head import Head, pose_head, shape_head
from models.library import load_head
from models.npz import Array, read_npz
from models.rotations import quaternion_from_matrix
from models.types import Camera, HeadParams, Identity, MienError
from render.camera_export import camera_json
from render.gltf import export_glb
from render.obj import obj_text, ply_bytes
from tracker.jobs import texture_files
from tracker.jobs.outputs import output_file, write_whole
from tracker.jobs.results import read_identity

ENDINGS = (".glb", ".obj", ".ply", ".json", ".csv")
MAX_TRACK_BYTES = 4 << 30
MAX_TEXTURE_BYTES = 64 << 20
_CORRECTED = ("rotation", "translation", "focal_px")  # of the camera: told, and as it was seen


def export(folder: Path, output: Path, head_name: str, frame: int | None) -> None:
    """GLB: the performance, or one frame standing still. OBJ and PLY: the mesh of a frame in the head frame.
    JSON: that frame's camera. CSV: a line a frame. Without `frame`, where one is needed, the first with a face."""
    ending = output_file(output, *ENDINGS).suffix.lower()
    folder = track_folder(folder)
    head = load_head(head_name).to("cpu")
    track = read_track(folder / "track.npz", head)
    row = find_row(folder / "track.npz", track, frame)
    identity = read_identity(folder / "identity.npz", head)
    one = {key: values[row : row + 1] for key, values in track.items()}
    whole = ending in (".glb", ".csv") and frame is None
    if ending == ".csv":
        content = table(track if whole else one).encode()
    elif ending == ".glb":
        content = export_glb(head, identity, track if whole else one, texture=texture_of(folder))
    elif ending == ".json":
        content = camera_text(one).encode()
    else:
        content = mesh_file(ending, head, identity, one)
    write_whole(output, content)
    print(f"{output}: {'the performance' if whole else 'frame ' + str(track['frame'][row])}")


def track_folder(path: Path) -> Path:
    """The folder named, or that of the track.npz named."""
    folder = path.parent if path.name == "track.npz" else path
    if not (folder / "track.npz").is_file():
        raise MienError(
            f"{folder}: expected a folder that `mien track` or `mien fit` has written, but it holds no track.npz (of "
            "pictures, each has a folder of its own in there)"
        )
    return folder


def mesh_file(ending: str, head: Head, identity: Identity, one: dict[str, Array]) -> bytes:
    params = HeadParams(*(_tensor(one[key][0]) for key in ("expression", "jaw", "eyes", "neck")))
    with torch.inference_mode():
        vertices = pose_head(shape_head(head, identity.shape), params).vertices.numpy()
    return obj_text(head, vertices).encode() if ending == ".obj" else ply_bytes(head, vertices)


def camera_text(one: dict[str, Array]) -> str:
    """The one that lays the mesh on the picture; recorded streams have only the corrected one."""
    seen = "seen_" if all("seen_" + key in one for key in _CORRECTED) else ""
    rotation, translation, focal_px = (_tensor(one[seen + key][0]) for key in _CORRECTED)
    camera = Camera(rotation, translation, focal_px, _tensor(one["principal_px"][0]))
    width, height = one["size_px"][0].tolist()
    return json.dumps(camera_json(camera, (width, height)), indent=2) + "\n"


def table(track: dict[str, Array]) -> str:
    """A line a frame: its number and time, T_camera_head, the lens, ARKit's weights; empty cells where no face was."""
    names = ["frame", "time_s", *(f"rotation_{c}" for c in "wxyz"), *(f"translation_{c}_m" for c in "xyz"), "focal_px"]
    turns = quaternion_from_matrix(_tensor(track["rotation"])).numpy()
    numbers = np.column_stack((turns, track["translation"], track["focal_px"], track["blendshapes"]))
    lines = [",".join((*names, *ARKIT_NAMES))]
    for frame, time_s, row in zip(track["frame"], track["time_s"], numbers, strict=True):
        cells = [f"{value:.6g}" if np.isfinite(value) else "" for value in row]
        lines.append(",".join((str(frame), f"{time_s:.6f}", *cells)))
    return "\n".join(lines) + "\n"


def texture_of(folder: Path) -> bytes | None:
    path = folder / texture_files.NAME
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        content = stream.read(MAX_TEXTURE_BYTES + 1)
    if len(content) > MAX_TEXTURE_BYTES:
        raise MienError(f"{path}: expected a texture of at most {MAX_TEXTURE_BYTES >> 20} MiB; remove or shrink it")
    return content


def find_row(path: Path, track: dict[str, Array], frame: int | None) -> int:
    """Of the frame with that number in its source, or of the first with a face."""
    seen = np.logical_and.reduce(
        [np.isfinite(a).all(tuple(range(1, a.ndim))) for a in track.values() if a.dtype.kind == "f"]
    )
    if not seen.any():
        raise MienError(f"{path}: no frame of it has a face; nothing can be exported")
    if frame is None:
        return int(seen.argmax())
    rows = np.flatnonzero(track["frame"] == frame)
    if not len(rows):
        raise MienError(f"{path}: expected a frame from {track['frame'].min()} to {track['frame'].max()}, got {frame}")
    if not seen[rows[0]]:
        with_face = track["frame"][seen]
        nearest = with_face[np.abs(with_face - frame).argmin()]
        raise MienError(f"{path}: frame {frame} has no face; the nearest one that has is {nearest}")
    return int(rows[0])


def read_track(path: Path, head: Head) -> dict[str, Array]:
    """What an export needs of a track.npz: one row a frame, NaN where no face was."""
    shapes: dict[str, tuple[int, ...]] = {
        "frame": (), "time_s": (), "size_px": (2,), "expression": (head.expression_size,), "jaw": (3,), "eyes": (2, 3),
        "neck": (3,), "rotation": (3, 3), "translation": (3,), "focal_px": (), "principal_px": (2,),
        "blendshapes": (len(ARKIT_NAMES),),
    }  # fmt: skip
    arrays = read_npz(path, MAX_TRACK_BYTES, (*shapes, *("seen_" + key for key in _CORRECTED)))
    missing = [key for key in shapes if key not in arrays]
    shapes |= {"seen_" + key: shapes[key] for key in _CORRECTED if "seen_" + key in arrays}
    if missing:
        raise MienError(f"{path}: expected a track.npz of Mien, but it lacks {', '.join(missing)}")
    count = len(arrays["frame"]) if arrays["frame"].ndim else 0
    return {key: _rows(path, key, arrays[key], (count, *shape)) for key, shape in shapes.items()}


def _rows(path: Path, key: str, array: Array, shape: tuple[int, ...]) -> Array:
    kinds = "iu" if key in ("frame", "size_px") else "f"
    if array.shape != shape or array.dtype.kind not in kinds:
        raise MienError(
            f"{path}: expected {key} as {'whole ' if kinds == 'iu' else ''}numbers of shape {list(shape)}, got "
            f"{array.dtype} {list(array.shape)}; is it of another head, or not of `mien track`?"
        )
    return array


def _tensor(values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.array(values, np.float32))
