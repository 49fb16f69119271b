"""`mien texture-space`: photos of many people in; what skins look like out, as statistics on a head's own atlas."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.head import Head
from models.library import load_head
from models.texture_space_files import MOST_COMPONENTS, write_texture_space
from models.texture_statistics import FEWEST, principal_components
from models.types import MienError
from tracker.fit import PersonFitter
from tracker.jobs.interrupts import plain_interrupts
from tracker.jobs.outputs import output_file
from tracker.jobs.progress import progress_bar
from tracker.jobs.reading import find_pictures, read_picture
from tracker.landmarks import LandmarkDetector, open_detector
from tracker.photometric.texture import TextureSolver
from tracker.photometric.view import View
from tracker.pose import iod_px

SIDE = 256  # texels: what is finer is detail, which a person's own pictures tell
LICENCE = "as the pictures that it was built from"


@dataclass(frozen=True)
class SkinReader:
    """What it takes to see a skin in a photo, loaded once."""

    detector: LandmarkDetector
    person: PersonFitter
    skin: TextureSolver

    @staticmethod
    def open(head: Head) -> "SkinReader":
        return SkinReader(open_detector("mesh", still=True), PersonFitter(head), TextureSolver(head, SIDE))

    def read(self, path: Path) -> NDArray[np.uint8]:
        """[SIDE, SIDE, 3]: the albedo of the largest face."""
        image = read_picture(path)
        seen = self.detector.detect(image)
        if seen is None:
            raise MienError(f"{path}: expected a face, found none")
        fit = self.person.fit([seen])
        view = View.cut(image, fit.params[0], fit.camera[0], fit.fitted_px[0].numpy(), iod_px(seen))
        try:
            return self.skin.solve(fit.identity, [view]).texture.albedo
        except MienError as error:
            raise MienError(f"{path}: {error}") from None


def build_texture_space(paths: Sequence[Path], output: Path, head_name: str) -> None:
    """Ctrl-C builds it of what was read until then."""
    output_file(output, ".npz")
    pictures = find_pictures(tuple(paths))
    head = load_head(head_name)
    reader = SkinReader.open(head)
    skins: list[NDArray[np.uint8]] = []
    unused: list[str] = []
    stopped: KeyboardInterrupt | None = None
    try:
        with plain_interrupts(), progress_bar("reading skins", "pictures") as tell:
            for done, path in enumerate(pictures):
                tell(done, len(pictures))
                try:
                    skins.append(reader.read(path))
                except MienError as error:
                    unused.append(str(error))
            tell(len(pictures), len(pictures))
    except KeyboardInterrupt as stop:
        stopped = stop
    write_skins(output, skins, head, unused, len(pictures))
    if stopped is not None:
        raise stopped
    if unused:
        raise MienError(f"{output} lacks {len(unused)} of {len(pictures)} pictures: " + "; ".join(unused[:5]))


def write_skins(output: Path, skins: list[NDArray[np.uint8]], head: Head, unused: list[str], pictures: int) -> None:
    if len(skins) < FEWEST:
        reasons = "; ".join([f"got {len(skins)}", *unused[:5]])
        raise MienError(f"expected at least {FEWEST} pictures with a face, better hundreds of people; {reasons}")
    mean, components = principal_components(skins, MOST_COMPONENTS)
    if not components.shape[3]:
        raise MienError(f"expected pictures of different people, but all {len(skins)} show the same skin")
    write_texture_space(output, mean, components, head, LICENCE, len(skins))
    print(f"{output}: {components.shape[3]} components of the skins in {len(skins)} of {pictures} pictures")
