"""The verbs of the command `mien`: each a frozen dataclass whose fields are its options, with `run()`.

Only names and help stand here, so that `mien -h` answers at once; the work is imported when a verb runs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg, subcommand

from render.modes import OverlayMode
from tracker.jobs.modes import FitMode


@dataclass(frozen=True)
class ListHeads:
    """The heads that can be used here, and where model files are kept.

    Example: mien heads list
    """

    def run(self) -> None:
        from tracker.jobs.heads import list_heads

        list_heads()


@dataclass(frozen=True)
class HeadInfo:
    """What a head is: kind, version, sizes, licence, hash, what is missing.

    Example: mien heads info generic_model.pkl
    """

    file: Positional[str]
    """A head's file or folder, or the name of a head."""

    def run(self) -> None:
        from tracker.jobs.heads import info

        info(self.file)


@dataclass(frozen=True)
class ImportHead:
    """Make a head of any mesh: find its pose, lay the landmarks on it, borrow the built-in expressions.

    Example: mien heads import scan.obj -o head.npz
    """

    file: Positional[Path]
    """A head's mesh (OBJ), or a model's file or folder."""

    output: Annotated[Path, arg(aliases=["-o"])]
    """The head file to write."""

    def run(self) -> None:
        from tracker.jobs.heads import import_head

        import_head(self.file, self.output)


@dataclass(frozen=True)
class GetHead:
    """Download a model that is free to download, or say how to come by one that asks for registration.

    Example: mien heads get ict
    """

    name: Positional[str]
    """ict, face-landmarker or flame."""

    def run(self) -> None:
        from tracker.jobs.heads import get

        get(self.name)


HeadVerb = (
    Annotated[ListHeads, subcommand("list")]
    | Annotated[HeadInfo, subcommand("info")]
    | Annotated[ImportHead, subcommand("import")]
    | Annotated[GetHead, subcommand("get")]
)


@dataclass(frozen=True)
class Heads:
    """The head models: list | info FILE | import FILE -o head.npz | get NAME.

    Example: mien heads list
    """

    verb: Annotated[HeadVerb, arg(name="")]

    def run(self) -> None:
        self.verb.run()


Detector = Literal["mesh", "task"]
Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Track:
    """Follow a face through a video: parameters of every frame, the person, a report and an overlay video.

    Example: mien track clip.mp4 -o out
    """

    video: Positional[Path]
    """Any video that FFmpeg reads."""

    output: Annotated[Path, arg(aliases=["-o"])]
    """The folder to write track.npz, identity.npz, report.json and overlay.mp4 to."""

    head: str = "builtin"
    """The name or file of a head; `mien heads list` shows them."""

    identity: Path | None = None
    """An identity.npz written before, of the same head: the person is then not learned anew."""

    face: str = "largest"
    """Which of several faces: largest, centre, or a number counted from the left, from 1."""

    detector: Detector = "mesh"
    """What finds the landmarks; task needs `mien heads get face-landmarker`, is slower, and also gives 52 scores."""

    device: Device = "auto"
    """Where to compute; one face is fastest on the CPU, which is what auto takes."""

    overlay: bool = True
    """Write overlay.mp4: the frames with the fitted head drawn over them."""

    overlay_mode: OverlayMode = "mesh"
    """What is drawn: the head as a surface, as wires or in its own skin, landmarks, the head beside the picture."""

    texture: bool = True
    """Write texture.png, the person's skin without the room's light, and put it on head.glb."""

    mode: FitMode = "landmark"
    """photometric: the video a second time, each frame's motion fitted to its pixels; a few frames a second."""

    def run(self) -> None:
        from tracker.jobs.video import TrackOptions, track

        mode: OverlayMode = self.overlay_mode if self.overlay else "off"
        options = TrackOptions(
            self.head, self.identity, self.face, self.detector, self.device, mode, self.texture, self.mode
        )
        track(self.video, self.output, options)


@dataclass(frozen=True)
class Fit:
    """Fit a head to pictures, one by one, or to all of them as one person.

    Example: mien fit photo.jpg -o out
    """

    images: Positional[tuple[Path, ...]]
    """Pictures, or folders of pictures."""

    output: Annotated[Path, arg(aliases=["-o"])]
    """The folder to write to: a folder for each picture, named like it. What is complete there is not done again."""

    head: str = "builtin"
    """The name or file of a head; `mien heads list` shows them."""

    same_person: bool = False
    """All pictures show one person: one identity for all of them, in one track.npz."""

    face: str = "largest"
    """Which of several faces: largest, centre, or a number counted from the left, from 1."""

    detector: Detector = "mesh"
    """What finds the landmarks; task needs `mien heads get face-landmarker`."""

    device: Device = "auto"
    """Where to compute."""

    overlay: bool = True
    """Write overlay.png: the picture with the fitted head drawn over it."""

    overlay_mode: OverlayMode = "mesh"
    """What is drawn: the head as a surface, as wires or in its own skin, landmarks, the head beside the picture."""

    texture: bool = True
    """Write texture.png, the person's skin without the room's light, and put it on head.glb."""

    mode: FitMode = "landmark"
    """photometric: from the landmarks' answer on to the picture's pixels; a few seconds more a picture."""

    def run(self) -> None:
        from tracker.jobs.image import FitOptions, fit

        mode: OverlayMode = self.overlay_mode if self.overlay else "off"
        options = FitOptions(
            self.head, self.face, self.detector, self.device, mode, self.same_person, self.texture, self.mode
        )
        fit(self.images, self.output, options)


@dataclass(frozen=True)
class TextureSpace:
    """Learn from photos of many people what skins look like, for --texture-space of track and fit.

    Example: mien texture-space photos/ -o skins.npz
    """

    images: Positional[tuple[Path, ...]]
    """Pictures, or folders of pictures, one face in each; the more people, the better."""

    output: Annotated[Path, arg(aliases=["-o"])]
    """The .npz file to write."""

    head: str = "builtin"
    """The name or file of the head that it is for: it is of no use to others."""

    def run(self) -> None:
        from tracker.jobs.texture_space import build_texture_space

        build_texture_space(self.images, self.output, self.head)


@dataclass(frozen=True)
class Export:
    """A frame of a track for other programs: GLB, OBJ, PLY, or its camera as JSON, told by the output's ending.

    Example: mien export out --frame 120 -o smile.ply
    """

    track: Positional[Path]
    """A folder that `mien track` or `mien fit` has written."""

    output: Annotated[Path, arg(aliases=["-o"])]
    """The file to write: .glb, .obj, .ply or .json."""

    frame: int | None = None
    """The frame's number in the video, from 0. Without: a GLB holds the whole performance, others the first face."""

    head: str = "builtin"
    """The head it was tracked with; `mien heads list` shows them."""

    def run(self) -> None:
        from tracker.jobs.export import export

        export(self.track, self.output, self.head, self.frame)


@dataclass(frozen=True)
class Bench:
    """Measure what Mien promises, on this machine: speed, people of the studio with known truth, clips where given.

    Example: mien bench --clips videos/
    """

    json: bool = False
    """One JSON object instead of a table."""

    clips: Path | None = None
    """A folder of videos with faces: adds the rows of exactness, steadiness and promptness."""

    quick: bool = False
    """Fewer people, shorter clips: a look within a minute, not a measurement."""

    only: tuple[str, ...] = ()
    """Some of heads, fast, truth, clips."""

    def run(self) -> None:
        from tracker.jobs.bench import Settings, bench

        bench(self.json, Settings(self.clips, self.quick), self.only)


@dataclass(frozen=True)
class Demo:
    """See Mien work without a camera: a synthetic person filmed, tracked, and compared with the truth.

    Example: mien demo
    """

    output: Annotated[Path, arg(aliases=["-o"])] = Path("demo")
    """The folder to write overlay.mp4 and report.html to."""

    seed: int = 2
    """Another number, another person."""

    quick: bool = False
    """Three seconds of film instead of eight."""

    def run(self) -> None:
        from tracker.jobs.demo.perform import demo

        demo(self.output, self.seed, self.quick)
