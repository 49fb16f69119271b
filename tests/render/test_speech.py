"""Somebody who speaks: lips meet where they must, vowels open the mouth, lids close as fast as people's do."""

import numpy as np
import pytest

from models.arkit_names import ARKIT_NAMES
from render.studio import Motion
from render.studio.film import FPS
from render.studio.speech import SPELLING, Sound, Viseme, blink, say, speaking, spell, utter


def said(word: str, frames: int = 60) -> Motion:
    """One word by itself, from 0.5 s on, 0.1 s a sound."""
    motion = Motion.still(frames)
    rest = Sound(Viseme({}, 1.0), 0.0, 0.3, 1.0)
    say(motion, [rest, *(Sound(viseme, 0.55 + 0.1 * k, 0.1, 1.0) for k, viseme in enumerate(spell(word)))])
    return motion


def test_words_are_spelled_by_the_longest_that_fits() -> None:
    assert list(spell("shoe")) == [*SPELLING["sh"], *SPELLING["o"], *SPELLING["e"]]
    assert list(spell("queen")) == [*SPELLING["qu"], *SPELLING["ee"], *SPELLING["n"]]
    assert list(spell("make")) == [*SPELLING["m"], *SPELLING["a"], *SPELLING["k"]], "its e is silent"
    assert list(spell("me")) == [*SPELLING["m"], *SPELLING["e"]]
    assert list(spell("don't")) == list(spell("dont"))
    assert list(spell("42 é")) == []


def test_lips_meet_between_open_vowels() -> None:
    jaw = said("mama").weight("jawOpen")
    at = [round((0.55 + 0.1 * k) * FPS) for k in range(4)]
    assert max(jaw[at[0]], jaw[at[2]]) < 0.35 * min(jaw[at[1]], jaw[at[3]])


def test_lips_are_round_before_their_vowel() -> None:
    before = round(0.6 * FPS)  # between the t and what follows
    assert said("too").weight("mouthPucker")[before] > 2 * said("tea").weight("mouthPucker")[before] + 0.02


def test_a_mouth_rests_long_after_the_last_word() -> None:
    motion = said("oh", 120)
    assert motion.weights[-1].max() < 0.02
    assert motion.weights.max() > 0.2


def test_lids_close_within_100_to_150_ms_and_open_more_slowly() -> None:
    for seed in range(5):
        motion = Motion.still(60)
        blink(motion, [1.0], np.random.default_rng(seed))
        lids = motion.weight("eyeBlinkLeft")
        assert (lids == motion.weight("eyeBlinkRight")).all()
        start, peak = int(np.flatnonzero(lids)[0]), int(lids.argmax())
        assert lids.max() > 0.95
        assert 2 <= peak - start + 1 <= 5
        assert np.flatnonzero(lids)[-1] - peak >= peak - start
        assert len(np.flatnonzero(lids)) / FPS < 0.5


def test_speaking_fills_its_frames_from_rest_to_rest() -> None:
    motion, again, other = speaking(300, 3), speaking(300, 3), speaking(300, 4)
    assert (motion.weights == again.weights).all()
    assert not (motion.weights == other.weights).all()
    assert len(motion) == 300
    assert 0 <= motion.weights.min() <= motion.weights.max() <= 1
    assert motion.weights[0].max() == motion.weights[-1].max() == 0
    assert not motion.turn_degrees[[0, -1]].any()
    jaw = motion.weight("jawOpen")
    openings = np.count_nonzero((jaw[1:-1] > jaw[:-2]) & (jaw[1:-1] >= jaw[2:]) & (jaw[1:-1] > 0.12))
    assert 20 <= openings <= 60, "two to six syllables a second"
    shut = motion.weight("eyeBlinkLeft") > 0.5
    assert 2 <= np.count_nonzero(np.diff(shut.astype(int)) == 1) <= 5


def test_eyes_stay_on_the_camera_while_the_head_turns_but_for_glances() -> None:
    motion = speaking(300, 1, turn_degrees=20)
    left, right = (motion.weight(f"eyeLook{side}Left") for side in ("Out", "In"))
    towards = motion.turn_degrees[:, 1] + 30 * (left - right)
    assert np.median(np.abs(towards)) < 3
    assert np.abs(towards).max() > 6


@pytest.mark.parametrize("text", ["", "...", "123", "'", "rhythm"])
def test_texts_without_a_vowel_or_a_word_do_no_harm(text: str) -> None:
    motion = speaking(40, 1, text)
    assert np.isfinite(motion.weights).all()
    assert motion.weights.shape == (40, len(ARKIT_NAMES))


def test_a_word_that_begins_with_an_apostrophe_is_a_word() -> None:
    said, without = (utter(text, 0.5, np.random.default_rng(0)) for text in ("'twas", "twas"))
    assert said == without


def test_pauses_are_told_and_nothing_moves_in_them() -> None:
    sounds, pauses_s = utter("One. Two, three!", 2.5, np.random.default_rng(0))
    assert len(pauses_s) >= 2
    for start_s in pauses_s:
        resting = next(sound for sound in sounds if sound.at_s > start_s)
        assert resting.viseme.shapes == {}
