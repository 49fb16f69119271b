"""The verbs of the command `mien`: each a frozen dataclass whose fields are its options, with `run()`.

Only names and help stand here, so that `mien -h` answers at once; the work is imported when a verb runs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg, subcommand

from tracker.jobs.options import FOLDER, HEAD, SWITCH, FitOptions, TrackOptions

OUTPUT_FILE = arg(aliases=["-o"], metavar="FILE")
PICTURES = arg(metavar="PICTURES", help_behavior_hint="")


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

    file: Annotated[Positional[str], HEAD]
    """A head's file or folder, or the name of a head."""

    def run(self) -> None:
        from tracker.jobs.heads import info

        info(self.file)


@dataclass(frozen=True)
class ImportHead:
    """Make a head of any mesh: find its pose, lay the landmarks on it, borrow the built-in expressions.

    Example: mien heads import scan.obj -o head.npz
    """

    file: Annotated[Positional[Path], arg(metavar="FILE")]
    """A head's mesh (OBJ), or a model's file or folder."""

    output: Annotated[Path, OUTPUT_FILE]
    """The head file to write, .npz."""

    def run(self) -> None:
        from tracker.jobs.heads import import_head

        import_head(self.file, self.output)


@dataclass(frozen=True)
class GetHead:
    """Download a model that is free to download, or say how to come by one that asks for registration.

    Example: mien heads get ict
    """

    name: Annotated[Positional[str], arg(metavar="NAME")]
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


@dataclass(frozen=True, kw_only=True)
class Track(TrackOptions):
    """Follow a face through a video: parameters of every frame, the person, a report and an overlay video.

    Example: mien track clip.mp4 -o out
    """

    video: Annotated[Positional[Path], arg(metavar="VIDEO")]
    """Any video that FFmpeg reads."""

    output: Annotated[Path, FOLDER]
    """The folder to write to: track.npz, identity.npz, report.json, overlay.mp4, texture.png, head.glb."""

    def run(self) -> None:
        from tracker.jobs.video import track

        track(self.video, self)


@dataclass(frozen=True, kw_only=True)
class Fit(FitOptions):
    """Fit a head to pictures, one by one, or to all of them as one person.

    Example: mien fit photo.jpg -o out
    """

    images: Annotated[Positional[tuple[Path, ...]], PICTURES]
    """Pictures, or folders of pictures."""

    output: Annotated[Path, FOLDER]
    """The folder to write to: a folder for each picture, named like it. What is complete there is not done again."""

    def run(self) -> None:
        from tracker.jobs.image import fit

        fit(self.images, self)


@dataclass(frozen=True)
class TextureSpace:
    """Learn from photos of many people what skins look like, for --texture-space of track and fit.

    Example: mien texture-space photos/ -o skins.npz
    """

    images: Annotated[Positional[tuple[Path, ...]], PICTURES]
    """Pictures, or folders of pictures, one face in each; the more people, the better."""

    output: Annotated[Path, OUTPUT_FILE]
    """The .npz file to write."""

    head: Annotated[str, HEAD] = "builtin"
    """The name or file of the head that it is for: it is of no use to others."""

    def run(self) -> None:
        from tracker.jobs.texture_space import build_texture_space

        build_texture_space(self.images, self.output, self.head)


@dataclass(frozen=True)
class Export:
    """A track for other programs: GLB, a frame's OBJ, PLY or camera (JSON), or a table, told by the output's ending.

    Example: mien export out --frame 120 -o smile.ply
    """

    track: Annotated[Positional[Path], arg(metavar="FOLDER")]
    """A folder that `mien track` has written, or that `mien fit` has written for a picture."""

    output: Annotated[Path, OUTPUT_FILE]
    """The file to write: .glb, .obj, .ply, .json or .csv."""

    frame: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """The frame's number in the video, from 0. Without: GLB and CSV hold all of them, others the first face."""

    head: Annotated[str, HEAD] = "builtin"
    """The head it was tracked with; `mien heads list` shows them."""

    def run(self) -> None:
        from tracker.jobs.export import export

        export(self.track, self.output, self.head, self.frame)


@dataclass(frozen=True)
class Bench:
    """Measure what Mien promises, on this machine: speed, people of the studio with known truth, clips where given.

    Example: mien bench --clips videos/
    """

    json: Annotated[bool, SWITCH] = False
    """One JSON object instead of a table."""

    clips: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="")] = None
    """A folder of videos with faces: adds the rows of exactness, steadiness and promptness."""

    quick: Annotated[bool, SWITCH] = False
    """Fewer people, shorter clips: a look within a minute, not a measurement."""

    only: Annotated[tuple[str, ...], arg(metavar="NAMES", help_behavior_hint="")] = ()
    """Some of heads, fast, draw, truth, clips. Otherwise all."""

    def run(self) -> None:
        from tracker.jobs.bench import Settings, bench

        bench(self.json, Settings(self.clips, self.quick), self.only)


@dataclass(frozen=True)
class Demo:
    """See Mien work without a camera: a synthetic person filmed, tracked, and compared with the truth.

    Example: mien demo
    """

    output: Annotated[Path, FOLDER] = Path("demo")
    """The folder to write overlay.mp4 and report.html to."""

    seed: Annotated[int, arg(metavar="N")] = 2
    """Another number, another person."""

    quick: Annotated[bool, SWITCH] = False
    """Three seconds of film instead of eight."""

    def run(self) -> None:
        from tracker.jobs.demo.perform import demo

        demo(self.output, self.seed, self.quick)
