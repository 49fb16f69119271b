"""Apple ARKit's 52 face coefficients by name, in the order Live Link Face sends them, and the 40 that are head shapes.

The other 12 are not shapes of Mien's built-in head: jawOpen, jawLeft and jawRight are rotations of the jaw, the eight
eyeLook rotations of the eyes, and tongueOut is always 0, because landmarks do not show the tongue.
The order is that of the UDP packets (Unreal's `EARFaceBlendShape`), not of Live Link Face's CSV recordings, which swap
left and right of jaw and mouth. "Left" is the subject's own left.
"""

_EYE = ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")
_MOUTH_PAIRS = ("Smile", "Frown", "Dimple", "Stretch")

ARKIT_NAMES: tuple[str, ...] = (
    *(f"eye{move}Left" for move in _EYE),
    *(f"eye{move}Right" for move in _EYE),
    *("jawForward", "jawLeft", "jawRight", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight"),
    *(f"mouth{move}{side}" for move in _MOUTH_PAIRS for side in ("Left", "Right")),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *(f"mouth{move}{side}" for move in ("Press", "LowerDown", "UpperUp") for side in ("Left", "Right")),
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight"),
    "tongueOut",
)

JAW_ROTATIONS = ("jawLeft", "jawRight", "jawOpen")
EYE_ROTATIONS = tuple(name for name in ARKIT_NAMES if name.startswith("eyeLook"))
ALWAYS_ZERO = ("tongueOut",)

EXPRESSION_SHAPES: tuple[str, ...] = tuple(
    name for name in ARKIT_NAMES if name not in (*JAW_ROTATIONS, *EYE_ROTATIONS, *ALWAYS_ZERO)
)

MIRRORED: tuple[tuple[str, str], ...] = tuple(
    (name, name.removesuffix("Left") + "Right") for name in ARKIT_NAMES if name.endswith("Left")
)
"""Names that are each other's mirror image, left first."""


def mirror_name(name: str) -> str:
    """The name of the mirrored motion; a symmetric one is its own mirror image."""
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    if name.endswith("Right"):
        return name.removesuffix("Right") + "Left"
    return name
