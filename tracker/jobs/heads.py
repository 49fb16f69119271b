"""`mien heads`: which heads there are, what a file is, a head's file of a model, and how to come by models."""

from pathlib import Path

from models.download import ICT_URL, LANDMARKER, LANDMARKER_URL, download, ict_items
from models.head import Head
from models.head_file import save_head
from models.library import Kind, Source, find_source, list_sources, load_head, models_folder
from models.types import MienError
from tracker.jobs.head_info import describe
from tracker.jobs.outputs import output_file
from tracker.jobs.progress import progress_bar

FLAME_STEPS = """\
FLAME asks for registration, so Mien cannot download it for you:
  1. register at https://flame.is.tue.mpg.de and accept its licence (2023 Open: CC-BY-4.0; the others: research only)
  2. download 'FLAME 2023 Open' (or 2020, 2019, 2023) and unpack it into {folder}/
  3. put beside the model's .pkl, where you have them: {companions}
  4. `mien heads list` shows its name; `mien heads info NAME` what is missing
Codes of different versions look alike and do not transfer."""


def list_heads() -> None:
    sources = list_sources()
    width = max(len(source.name) for source in sources)
    for source in sources:
        print(f"{source.name:{width}}  {source.kind.value:22}  {source.path}")
    print(f"\nModels live in {models_folder()} (set MIEN_HOME to choose another place).")
    if len(sources) == 1:
        print("More: `mien heads get ict` (free), `mien heads get flame` (how to come by it).")


def info(name_or_file: str) -> None:
    rows = describe(find_source(name_or_file))
    width = max(len(label) for label, _ in rows)
    for label, text in rows:
        print(f"{label:{width}}  {text}")


def import_head(file: Path, output: Path) -> None:
    """Write the head in `file`, a model's or a plain mesh, as one file of Mien's own."""
    output_file(output, ".npz")
    head = _read(find_source(file))
    save_head(head, output)
    print(f"{output}: {head.name}, {head.identity_size} modes of identity, {head.expression_size} of expression")


def _read(source: Source) -> Head:
    if source.kind is Kind.MESH:
        from tracker.jobs.import_head import import_mesh  # here: the detector takes a second to import

        return import_mesh(source.path)
    with progress_bar(f"reading {source.name}") as tell:
        return load_head(source.path, tell)


def get(name: str) -> None:
    """Download a model, or say how to come by it."""
    if name == "flame":
        companions = "mediapipe_landmark_embedding.npz, landmark_embedding.npy, l_eyelid.npy, r_eyelid.npy, ..."
        print(FLAME_STEPS.format(folder=models_folder(), companions=companions))
    elif name == "ict":
        get_ict(models_folder() / "ict")
    elif name == "face-landmarker":
        get_landmarker(models_folder())
    else:
        raise MienError(f"expected ict, face-landmarker or flame, got '{name}'")


def get_ict(folder: Path, base_url: str = ICT_URL) -> None:
    items = ict_items()
    print(f"ICT-FaceKit: {len(items)} files, 405 MB, into {folder}", flush=True)
    with progress_bar("downloading", "bytes") as tell:
        download(items, base_url, folder, tell)
    print(f"{folder}: ICT-FaceKit, MIT licence; `mien heads info ict` tells more")


def get_landmarker(folder: Path, base_url: str = LANDMARKER_URL) -> None:
    with progress_bar("downloading", "bytes") as tell:
        download([LANDMARKER], base_url, folder, tell)
    print(f"{folder / LANDMARKER.path}: MediaPipe's Face Landmarker, Apache-2.0")
