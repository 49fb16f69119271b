"""The person that `track` and `fit` have learned: `identity.npz`. No pickles; all or nothing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.arkit_names import ARKIT_NAMES
from models.head import Head
from models.npz import Array, check_array, read_npz, write_npz
from models.types import Identity, Known, MienError
from render.texture import Texture
from tracker.jobs.known_skin import saved_skin

SCHEMA = 1
KNOWN = {"focal_known": "focal_std_percent", "scale_known": "scale_std_percent", "neutral_known": "neutral_std"}
# How well each was seen, by Identity's fields: what the standard deviations are called in files, unit and all.
AGAIN = "track the person again"
_LARGEST = 100.0  # standard deviations or weights: no person comes near


@dataclass(frozen=True)
class Source:
    """What made a track: it is written beside the numbers."""

    head: Head
    detector: str

    @property
    def head_label(self) -> str:
        return f"{self.head.name} sha256:{self.head.sha256}"


def write_identity(path: Path, identity: Identity, skin: Texture | None = None) -> None:
    arrays: dict[str, Array] = {
        "schema": np.array(SCHEMA),
        "shape": identity.shape.detach().cpu().numpy().astype(np.float32),
        "focal_px": np.array(identity.focal_px, np.float64),
        "size_px": np.array(identity.size_px, np.int64),
        "head": np.array(identity.head),
        "head_sha256": np.array(identity.head_sha256),
    }
    if identity.neutral is not None:
        arrays["neutral"] = identity.neutral.detach().cpu().numpy().astype(np.float32)
    for name, key in KNOWN.items():
        known: Known = getattr(identity, name)
        arrays |= {key: np.array(known.std, np.float64), observed_key(name): np.array(known.observed)}
    write_npz(path, arrays | saved_skin(skin))


def read_identity(path: Path, head: Head) -> Identity:
    """An identity as saved, refused where it belongs to another head."""
    arrays = read_npz(path, max_total_bytes=64 << 20)
    missing = [key for key in ("schema", "shape", "focal_px", "size_px", "head", "head_sha256") if key not in arrays]
    if missing:
        raise MienError(f"{path}: expected an identity.npz of Mien, but it lacks {', '.join(missing)}; {AGAIN}")
    if arrays["schema"].shape != () or str(arrays["schema"].item()) != str(SCHEMA):
        raise MienError(f"{path}: expected an identity of schema {SCHEMA}; track the person again with this version")
    name, sha256 = _text(path, arrays, "head"), _text(path, arrays, "head_sha256")
    if sha256 != head.sha256:
        raise MienError(
            f"{path}: is an identity of the head {name} ({sha256[:12]}), but the head in use is {head.name} "
            f"({head.sha256[:12]}): codes do not transfer; choose that head with --head, or track without --identity"
        )
    neutral = arrays.get("neutral")
    return Identity(
        shape=_numbers(path, "shape", arrays["shape"], head.identity_size),
        focal_px=_positive(path, "focal_px", arrays["focal_px"]),
        size_px=_size(path, arrays["size_px"]),
        head=name,
        head_sha256=sha256,
        neutral=None if neutral is None else _numbers(path, "neutral", neutral, len(ARKIT_NAMES)),
        **{name: _known(path, arrays, name) for name in KNOWN if KNOWN[name] in arrays},
    )


def observed_key(name: str) -> str:
    """What a file calls whether it was seen."""
    return name.replace("known", "observed")


def _known(path: Path, arrays: dict[str, Array], name: str) -> Known:
    observed = arrays.get(observed_key(name))
    if observed is None or observed.dtype != np.bool_ or observed.shape != ():
        raise MienError(f"{path}: expected {observed_key(name)} to be true or false; {AGAIN}")
    return Known(_positive(path, KNOWN[name], arrays[KNOWN[name]]), bool(observed))


def _text(path: Path, arrays: dict[str, Array], key: str) -> str:
    if arrays[key].dtype.kind != "U" or arrays[key].shape != ():
        raise MienError(f"{path}: expected {key} to be one text; {AGAIN}")
    return str(arrays[key].item())


def _numbers(path: Path, key: str, array: Array, count: int) -> torch.Tensor:
    if check_array(path, key, array, (count,)).dtype.kind != "f" or np.abs(array).max(initial=0) > _LARGEST:
        raise MienError(f"{path}: expected {key} to be {count} numbers of ordinary size; {AGAIN}")
    return torch.from_numpy(array.astype(np.float32))


def _positive(path: Path, key: str, array: Array) -> float:
    if array.dtype.kind not in "fiu" or array.shape != () or not 0 < float(array) < 1e6:
        raise MienError(f"{path}: expected {key} to be one positive number; {AGAIN}")
    return float(array)


def _size(path: Path, array: Array) -> tuple[int, int]:
    if array.dtype.kind not in "iu" or array.shape != (2,) or not 0 < array.min() <= array.max() < 1 << 20:
        raise MienError(f"{path}: expected size_px to be the width and height of pictures; {AGAIN}")
    return int(array[0]), int(array[1])
