"""What `mien track` and `mien fit` can be asked for. Cheap to import: the commands are made of these."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from render.modes import OverlayMode

Detector = Literal["mesh", "task"]
Device = Literal["auto", "cpu", "cuda"]
FitMode = Literal["landmark", "photometric"]

# How the help shows them.
SWITCH = arg(help_behavior_hint="")
FILE = arg(metavar="FILE", help_behavior_hint="")
HEAD = arg(metavar="NAME|FILE")
FOLDER = arg(aliases=["-o"], metavar="FOLDER")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Of both."""

    output: Annotated[Path, FOLDER]
    """The folder to write to."""

    head: Annotated[str, HEAD] = "builtin"
    """The name or file of a head; `mien heads list` shows them."""

    face: Annotated[str, arg(metavar="{largest,centre,N}")] = "largest"
    """Which of several faces: largest, centre, or a number counted from the left, from 1."""

    detector: Detector = "mesh"
    """What finds the landmarks; task needs `mien heads get face-landmarker`, is slower, and also gives 52 scores."""

    device: Device = "auto"
    """Where to compute; one face is fastest on the CPU, which is what auto takes."""

    overlay_mode: OverlayMode = "mesh"
    """What the overlay shows: the head on the picture as a surface, as wires, in its skin; landmarks; or it beside."""

    no_overlay: Annotated[bool, SWITCH] = False
    """Write no overlay."""

    no_texture: Annotated[bool, SWITCH] = False
    """Learn no skin: no texture.png, none on head.glb, and --identity wears none."""

    mode: FitMode = "landmark"
    """photometric: from the landmarks' answer on to the pixels, some tenths of a second a picture or frame."""

    texture_space: Annotated[str | None, FILE] = None
    """Statistics of skins that explain this one: a file of `mien texture-space`, or, for FLAME heads,
    FLAME_texture.npz or FLAME_albedo_from_BFM.npz."""

    @property
    def drawn(self) -> OverlayMode:
        return "off" if self.no_overlay else self.overlay_mode

    @property
    def wants_skin(self) -> bool:
        return not self.no_texture or self.mode == "photometric"


@dataclass(frozen=True, kw_only=True)
class TrackOptions(Options):
    """Of a video alone."""

    identity: Annotated[Path | None, FILE] = None
    """An identity.npz written before, of the same head: the person, and the skin in it, are then not learned anew."""


@dataclass(frozen=True, kw_only=True)
class FitOptions(Options):
    """Of pictures alone."""

    same_person: Annotated[bool, SWITCH] = False
    """All pictures show one person: one identity for all of them, in one track.npz."""


def check(options: Options) -> None:
    """Refuse what contradicts itself, or cannot be had here, before anything is done."""
    from models.types import MienError

    if options.drawn == "textured" and not options.wants_skin:
        raise MienError("--overlay-mode textured draws the skin, but with --no-texture none is learned: leave one out")
    if options.texture_space and not options.wants_skin:
        raise MienError(
            "--texture-space explains a skin, but with --no-texture none is solved: leave that out, or add "
            "--mode photometric"
        )
    if options.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise MienError("expected a CUDA device for --device cuda, but torch finds none; leave the option out")
