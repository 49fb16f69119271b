"""The built-in head as it ships."""

import torch

from models.arkit_names import EXPRESSION_SHAPES
from models.builtin import HEAD_FILE, load_builtin
from models.head import embed
from models.head_file import file_sha256
from models.library import BUILTIN_FILE, load_head


def test_it_says_what_it_is() -> None:
    head = load_builtin()
    assert (head.name, head.licence) == ("Mien built-in 1", "Apache-2.0")
    assert head.sha256 == file_sha256(HEAD_FILE)
    assert head.expression_names[:40] == EXPRESSION_SHAPES
    assert head.expression_names[40:] == tuple(f"corrective{k + 1:02}" for k in range(head.expression_size - 40))
    assert head.identity_size >= 30
    assert 3000 <= head.vertex_count <= 12000


def test_it_is_the_one_that_the_library_gives() -> None:
    assert BUILTIN_FILE == HEAD_FILE
    torch.testing.assert_close(load_head().template, load_builtin().template)


def test_it_is_read_once() -> None:
    assert load_builtin() is load_builtin()


def test_it_is_a_head_in_metres() -> None:
    """Pupils 62 mm apart, x to its left, y up, looking along z."""
    landmarks = embed(load_builtin().embedding, load_builtin().template)
    left, right = landmarks[473], landmarks[468]
    assert 0.060 < left[0] - right[0] < 0.064
    assert landmarks[10, 1] > landmarks[152, 1] + 0.1
    assert landmarks[1, 2] > landmarks[234, 2] + 0.08


def test_its_priors_hold_rest_and_full_shapes() -> None:
    head = load_builtin()
    prior = head.expression_prior
    assert (prior.std > 0).all()
    assert (prior.low < 0).all()
    assert (prior.high[:40] >= 1).all()
    for joint in (head.jaw_prior, head.eyes_prior):
        assert (joint.std > 0).all()
        assert (joint.low <= 0).all()
        assert (joint.high >= 0).all()
