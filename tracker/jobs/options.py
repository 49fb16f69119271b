"""What `mien track` and `mien fit` can be asked for. Cheap to import: the commands are made of these."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from render.modes import OverlayMode

Detector = Literal["mesh", "task"]
Device = Literal["auto", "cpu", "cuda"]
FitMode = Literal["landmark", "photometric"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Of both."""

    output: Annotated[Path, arg(aliases=["-o"])]
    """The folder to write to."""

    head: str = "builtin"
    """The name or file of a head; `mien heads list` shows them."""

    face: str = "largest"
    """Which of several faces: largest, centre, or a number counted from the left, from 1."""

    detector: Detector = "mesh"
    """What finds the landmarks; task needs `mien heads get face-landmarker`, is slower, and also gives 52 scores."""

    device: Device = "auto"
    """Where to compute; one face is fastest on the CPU, which is what auto takes."""

    overlay: bool = True
    """Write the overlay, overlay.mp4 or overlay.png: what was seen, with the fitted head drawn over it."""

    overlay_mode: OverlayMode = "mesh"
    """What is drawn: the head as a surface, as wires or in its own skin, landmarks, the head beside the picture."""

    texture: bool = True
    """Write texture.png, the person's skin without the room's light, and put it on head.glb."""

    mode: FitMode = "landmark"
    """photometric: from the landmarks' answer on to the pixels, in 0.4 s a picture and 0.12 s a frame."""

    texture_space: str | None = None
    """Statistics of skins that explain this one: a file of `mien texture-space`, or, for FLAME heads,
    FLAME_texture.npz or FLAME_albedo_from_BFM.npz."""

    @property
    def drawn(self) -> OverlayMode:
        return self.overlay_mode if self.overlay else "off"


@dataclass(frozen=True, kw_only=True)
class TrackOptions(Options):
    """Of a video alone."""

    identity: Path | None = None
    """An identity.npz written before, of the same head: the person, and the skin in it, are then not learned anew."""


@dataclass(frozen=True, kw_only=True)
class FitOptions(Options):
    """Of pictures alone."""

    same_person: bool = False
    """All pictures show one person: one identity for all of them, in one track.npz."""
