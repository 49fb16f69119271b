"""The fitted head for other programs, beside a track: `head.glb`, for a picture also `head.obj` and `camera.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.head import Head, pose_head, shape_head
from models.npz import Rows
from models.types import HeadParams, Identity, MienError, TrackResult
from render.camera_export import camera_json
from render.gltf import export_glb
from render.morphs import arkit_morphs, morph_loss_mm
from render.obj import obj_text
from tracker.jobs.outputs import write_whole

FRAMES_COMPARED = 40  # of a track, to tell what the morph targets lose
PLAYED = ("time_s", "size_px", "expression", "jaw", "eyes", "neck", "rotation", "translation", "focal_px",
          "blendshapes", "error_iod")  # fmt: skip
NAMES = ("head.glb", "head.obj", "camera.json")


def write_glb(
    folder: Path,
    head: Head,
    identity: Identity | None,
    arrays: Mapping[str, Rows],
    texture: bytes | None = None,
) -> dict[str, Any] | None:
    """For the report: what the morph targets lose against the full mesh, or why there is no file; None without a face.

    A file of an earlier run never stays beside another track.
    """
    remove_head_files(folder)
    track = {key: arrays[key][:] for key in PLAYED}
    faces = np.flatnonzero(np.isfinite(track["error_iod"]))
    if identity is None or not len(faces):
        return None
    try:
        morphs = arkit_morphs(head, identity)
    except MienError as error:  # a shape that is no head: the track is still worth keeping
        return {"left_out": f"head.glb: {error}"}
    write_whole(folder / "head.glb", export_glb(head, identity, track, morphs, texture))
    compared = faces[np.unique(np.linspace(0, len(faces) - 1, FRAMES_COMPARED).astype(int))]
    params = HeadParams(*(torch.from_numpy(track[key][compared]) for key in ("expression", "jaw", "eyes", "neck")))
    return {"morph_loss_mm": morph_loss_mm(head, identity, morphs, params, track["blendshapes"][compared])}


def write_posed(folder: Path, head: Head, identity: Identity, result: TrackResult) -> None:
    """`head.obj` as it looked in one picture, in the head frame, and `camera.json`, which lays it on that picture."""
    if result.params is None or result.picture_camera is None:
        return
    with torch.inference_mode():
        vertices = pose_head(shape_head(head.to("cpu"), identity.shape.to("cpu")), result.params).vertices.numpy()
    write_whole(folder / "head.obj", obj_text(head, vertices).encode())
    camera = camera_json(result.picture_camera, result.size_px)
    write_whole(folder / "camera.json", (json.dumps(camera, indent=2) + "\n").encode())


def remove_head_files(folder: Path) -> None:
    for name in NAMES:
        (folder / name).unlink(missing_ok=True)
