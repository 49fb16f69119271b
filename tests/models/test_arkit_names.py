"""The names are Apple's, in Live Link Face's order: a wrong place here sends a smile to somebody's eyebrow."""

from models.arkit_names import (
    ALWAYS_ZERO,
    ARKIT_NAMES,
    EXPRESSION_SHAPES,
    EYE_ROTATIONS,
    JAW_ROTATIONS,
    MIRRORED,
    mirror_name,
)

# Places fixed by Unreal's EARFaceBlendShape, which Live Link Face's packets follow.
PLACES = {
    0: "eyeBlinkLeft",
    6: "eyeWideLeft",
    7: "eyeBlinkRight",
    14: "jawForward",
    15: "jawLeft",
    17: "jawOpen",
    18: "mouthClose",
    21: "mouthLeft",
    23: "mouthSmileLeft",
    31: "mouthRollLower",
    34: "mouthShrugUpper",
    35: "mouthPressLeft",
    40: "mouthUpperUpRight",
    41: "browDownLeft",
    43: "browInnerUp",
    46: "cheekPuff",
    50: "noseSneerRight",
    51: "tongueOut",
}


def test_the_52_names_stand_in_live_link_order() -> None:
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == 52
    assert {place: ARKIT_NAMES[place] for place in PLACES} == PLACES


def test_every_name_is_a_shape_a_rotation_or_zero() -> None:
    assert len(EXPRESSION_SHAPES) == 40
    groups = (*EXPRESSION_SHAPES, *JAW_ROTATIONS, *EYE_ROTATIONS, *ALWAYS_ZERO)
    assert sorted(groups) == sorted(ARKIT_NAMES)


def test_shapes_keep_the_order_of_the_52() -> None:
    places = [ARKIT_NAMES.index(name) for name in EXPRESSION_SHAPES]
    assert places == sorted(places)


def test_mirroring_is_its_own_inverse() -> None:
    assert len(MIRRORED) == 20
    for left, right in MIRRORED:
        assert mirror_name(left) == right
        assert mirror_name(right) == left
    assert mirror_name("browInnerUp") == "browInnerUp"
    assert all(mirror_name(name) in ARKIT_NAMES for name in ARKIT_NAMES)
