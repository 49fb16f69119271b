"""`face_landmarker.task`, which users bring: an archive with the two models that the detector `task` runs."""

import zipfile
import zlib
from pathlib import Path

from models.types import MienError

TASK_MODELS = ("face_landmarks_detector.tflite", "face_blendshapes.tflite")
MAX_MODEL_BYTES = 64 << 20


def unpack_task(file: Path, folder: Path) -> Path:
    """Write the two models that we run out of face_landmarker.task into the folder."""
    try:
        with zipfile.ZipFile(file) as archive:
            for name in TASK_MODELS:
                if archive.getinfo(name).file_size > MAX_MODEL_BYTES:
                    raise MienError(f"{file}: expected a {name} of at most {MAX_MODEL_BYTES} bytes; get the file again")
                (folder / name).write_bytes(archive.read(name))
    except FileNotFoundError:
        raise MienError(f"{file}: no such file; `mien heads get face-landmarker` says how to come by it") from None
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise MienError(f"{file}: expected MediaPipe's face_landmarker.task, but {error}; get it again") from error
    return folder


def find_task_file() -> Path:
    """Where the user's face_landmarker.task stands."""
    from models.library import models_folder

    return models_folder() / "face_landmarker.task"
