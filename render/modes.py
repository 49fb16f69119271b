"""What may be drawn over a picture. Cheap to import: commands and the wire name these words too."""

from typing import Literal, get_args

OverlayMode = Literal["mesh", "wireframe", "textured", "landmarks", "side_by_side", "off"]
OVERLAY_MODES: tuple[OverlayMode, ...] = get_args(OverlayMode)  # in the order a page shows them
