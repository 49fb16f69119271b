"""Step two of the built-in head: from the statistics and the authored geometry and shapes to the head's file.

    python -m tracker.jobs.builtin_head.build [-o models/builtin/head.npz]

Run it, and commit the file, whenever `models/builtin/statistics.npz` or anything that this package authors (geometry,
colours, skinning, named shapes, priors) has changed; a test compares the committed file with a fresh one. It takes a
few seconds, needs no pictures and gives the same head everywhere, to a hundredth of a millimetre.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.arkit_names import EXPRESSION_SHAPES
from models.head import Head
from models.head_file import save_head
from models.types import Embedding
from tracker.jobs.builtin_head.assemble import assemble
from tracker.jobs.builtin_head.carry import Carrier
from tracker.jobs.builtin_head.correctives import CORRECTIVES, corrective_basis
from tracker.jobs.builtin_head.expressions import author_expressions
from tracker.jobs.builtin_head.identity_modes import identity_basis
from tracker.jobs.builtin_head.priors import expression_prior, eyes_prior, jaw_prior
from tracker.jobs.builtin_head.refine import refined
from tracker.jobs.builtin_head.statistics_file import Statistics, load_statistics
from tracker.jobs.builtin_head.surface import Floats

NAME, LICENCE = "Mien built-in 1", "Apache-2.0"
FOLDER = Path(__file__).parents[3] / "models" / "builtin"


def build_head(statistics: Statistics, say: Callable[[str], None] = lambda line: None) -> Head:
    """The whole head, in float32."""
    say("sculpting the neutral head")
    raw = assemble(statistics.mean)
    say(f"authoring {len(EXPRESSION_SHAPES)} shapes on {len(raw.vertices)} vertices")
    carrier = Carrier(raw)
    authored = refined(author_expressions(raw), statistics, carrier)
    say(f"carrying {statistics.identity_modes.shape[2]} identity modes over the head")
    identity = identity_basis(statistics, carrier)
    say(f"finding {CORRECTIVES} correctives")
    correctives, explained = corrective_basis(statistics, carrier, authored)
    expression = np.concatenate([authored.deltas, correctives], -1)
    return Head(
        name=NAME,
        licence=LICENCE,
        sha256="",
        template=_numbers(raw.vertices),
        identity_basis=_numbers(identity),
        expression_basis=_numbers(expression),
        expression_names=(*EXPRESSION_SHAPES, *(f"corrective{k + 1:02}" for k in range(CORRECTIVES))),
        joint_regressor=_numbers(raw.joint_regressor),
        skinning_weights=_numbers(raw.skinning_weights),
        pose_basis=_numbers(authored.pose_basis),
        triangles=torch.from_numpy(raw.triangles),
        uvs=_numbers(raw.uvs),
        uv_triangles=torch.from_numpy(raw.uv_triangles),
        embedding=Embedding(torch.from_numpy(raw.embedding_vertices), _numbers(raw.embedding_weights)),
        expression_prior=expression_prior(explained, CORRECTIVES),
        jaw_prior=jaw_prior(authored),
        eyes_prior=eyes_prior(),
        regions={name: torch.from_numpy(ids) for name, ids in sorted(raw.regions.items())},
        colours=_numbers(raw.colours),
    )


def _numbers(values: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tracker.jobs.builtin_head.build", description=__doc__)
    parser.add_argument("--statistics", type=Path, default=FOLDER / "statistics.npz", metavar="FILE.npz")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER / "head.npz", metavar="FILE.npz")
    options = parser.parse_args(arguments)
    save_head(build_head(load_statistics(options.statistics), print), options.output)
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
