"""What is tracked, one row a frame, kept on the disk while it grows: the arrays of `track.npz`."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES
from models.head import Head
from models.npz import Array, Rows
from models.types import LANDMARK_COUNT, Camera, HeadParams, Identity, Landmarks, MienError, State, TrackResult
from tracker.jobs.array_file import ArrayFile
from tracker.jobs.results import SCHEMA, Source
from tracker.pose import iod_px

_WHETHER_OR_NOT: dict[str, tuple[str, tuple[int, ...]]] = {  # there is a face; type, and shape of a row
    "frame": ("i8", ()),
    "time_s": ("f8", ()),
    "state": (f"U{max(len(state.value) for state in State)}", ()),
    "size_px": ("i8", (2,)),
    "detect_ms": ("f4", ()),
    "fit_ms": ("f4", ()),
}
_OF_A_FACE: dict[str, tuple[int, ...]] = {  # float32, NaN without one; and `expression`
    "jaw": (3,),
    "eyes": (2, 3),
    "neck": (3,),
    "rotation": (3, 3),
    "translation": (3,),
    "focal_px": (),
    "principal_px": (2,),
    "seen_rotation": (3, 3),
    "seen_translation": (3,),
    "seen_focal_px": (),
    "landmarks_px": (LANDMARK_COUNT, 2),
    "depth_px": (LANDMARK_COUNT,),
    "presence": (),
    "iod_px": (),
    "fitted_px": (LANDMARK_COUNT, 2),
    "fitted_m": (LANDMARK_COUNT, 3),
    "blendshapes": (len(ARKIT_NAMES),),
    "error_iod": (),
}
_SCORES = "detector_scores"  # the detector's own, where it has any


class TrackRows:
    """The results of a track in order, as many as there may be. A context: what it keeps on the disk ends with it."""

    def __init__(self, folder: Path, source: Source) -> None:
        self._source = source
        faces = {"expression": (source.head.expression_size,), **_OF_A_FACE, _SCORES: (len(ARKIT_NAMES),)}
        kinds = _WHETHER_OR_NOT | {key: ("f4", shape) for key, shape in faces.items()}
        self._folder = folder
        with ExitStack() as stack:
            self._columns = {key: stack.enter_context(closing(ArrayFile(folder, *kind))) for key, kind in kinds.items()}
            self._open_files = stack.pop_all()
        self._row_bytes = sum(column.row_bytes for column in self._columns.values())
        self._empty = {key: np.full(shape, np.nan, np.float32) for key, shape in faces.items()}
        self._count = 0
        self._scored = False

    def __enter__(self) -> "TrackRows":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._open_files.close()

    def __len__(self) -> int:
        return self._count

    def add(self, result: TrackResult, scores: NDArray[np.float32] | None = None) -> None:
        self._leave_room()
        row = self._empty | _row(result)
        if scores is not None:
            row[_SCORES], self._scored = scores, True
        for key, column in self._columns.items():
            column.append(row[key])
        self._count += 1

    def _leave_room(self) -> None:
        """`track.npz` is written when the track ends: a disk that fills up ends it while what was done still fits."""
        free, needed = shutil.disk_usage(self._folder).free, self._count * self._row_bytes
        if free < needed:
            raise MienError(
                f"{self._folder}: the disk is nearly full: {free / 1e6:.0f} MB are left, and track.npz may take "
                f"{needed / 1e6:.0f} MB; make room there, or write elsewhere (-o)"
            )

    def __setitem__(self, place: int, result: TrackResult) -> None:
        row = self._empty | _row(result)
        del row[_SCORES]
        try:
            self._replace(place, row)
        except KeyboardInterrupt:  # no row is half one result and half another
            self._replace(place, row)
            raise

    def _replace(self, place: int, row: dict[str, Any]) -> None:
        for key, value in row.items():
            self._columns[key][place] = value

    def __getitem__(self, place: int) -> TrackResult:
        """As it was added, but for the hint."""
        return _result({key: column[place : place + 1][0] for key, column in self._columns.items()})

    def arrays(self, identity: Identity | None) -> dict[str, Rows]:
        """Of `track.npz`, with one row a result; long ones stay on the disk."""
        for column in self._columns.values():
            column.cut(self._count)  # Ctrl-C may have broken a row off
        columns = {key: column for key, column in self._columns.items() if key != _SCORES or self._scored}
        head = self._source.head
        return {
            "schema": np.array(SCHEMA),
            "head": np.array(self._source.head_label),
            "detector": np.array(self._source.detector),
            "blendshape_names": np.array(ARKIT_NAMES),
            "expression_names": np.array(head.expression_names),
            "identity": _identity_code(identity, head),
            **columns,
        }


def _row(result: TrackResult) -> dict[str, Any]:
    row: dict[str, Any] = {
        "frame": result.index,
        "time_s": result.time_s,
        "state": result.state.value,
        "size_px": result.size_px,
        "detect_ms": result.detect_ms,
        "fit_ms": result.fit_ms,
    }
    params, camera, seen, landmarks = result.params, result.camera, result.picture_camera, result.landmarks
    if params is None or camera is None or seen is None or landmarks is None:
        return row  # landmarks that no head fits are no face either
    tensors = {
        "expression": params.expression,
        "jaw": params.jaw,
        "eyes": params.eyes,
        "neck": params.neck,
        "rotation": camera.rotation,
        "translation": camera.translation,
        "focal_px": camera.focal_px,
        "principal_px": camera.principal_px,
        "seen_rotation": seen.rotation,
        "seen_translation": seen.translation,
        "seen_focal_px": seen.focal_px,
    }
    row |= {key: tensor.numpy() for key, tensor in tensors.items()}
    row |= {"landmarks_px": landmarks.points_px, "depth_px": landmarks.depth_px, "presence": landmarks.presence}
    row |= {"iod_px": iod_px(landmarks), "fitted_px": result.fitted_px, "fitted_m": result.fitted_m}
    return row | {"blendshapes": result.blendshapes, "error_iod": result.error_iod}


def _result(row: Mapping[str, Array]) -> TrackResult:
    width, height = row["size_px"].tolist()
    nobody = TrackResult.without_face(
        int(row["frame"]),
        float(row["time_s"]),
        (width, height),
        State(str(row["state"])),
        None,
        float(row["detect_ms"]),
    )
    if np.isnan(row["error_iod"]):
        return nobody

    def tensors(*keys: str) -> list[torch.Tensor]:
        return [torch.from_numpy(np.array(row[key])) for key in keys]

    seen = Camera(*tensors("seen_rotation", "seen_translation", "seen_focal_px", "principal_px"))
    return TrackResult(
        index=nobody.index,
        time_s=nobody.time_s,
        size_px=nobody.size_px,
        state=nobody.state,
        params=HeadParams(*tensors("expression", "jaw", "eyes", "neck")),
        camera=Camera(*tensors("rotation", "translation", "focal_px", "principal_px")),
        seen_camera=seen,
        landmarks=Landmarks(row["landmarks_px"], row["depth_px"], nobody.size_px, float(row["presence"])),
        fitted_px=row["fitted_px"],
        fitted_m=row["fitted_m"],
        blendshapes=row["blendshapes"],
        error_iod=float(row["error_iod"]),
        detect_ms=nobody.detect_ms,
        fit_ms=float(row["fit_ms"]),
    )


def _identity_code(identity: Identity | None, head: Head) -> NDArray[np.float32]:
    if identity is None:
        return np.full(head.identity_size, np.nan, np.float32)
    return identity.shape.detach().cpu().numpy().astype(np.float32)
