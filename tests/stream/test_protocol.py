"""The wire's words: what is understood, what is said about the rest, and that generated files are fresh."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream import protocol, schema
from stream.binary import pack_params, unpack_params
from stream.protocol import BadMessage, CameraPose, Params, TimesMs, decode_client, decode_server, encode


def test_generated_files_are_fresh() -> None:
    assert schema.stale() == [], f"run `{schema.COMMAND}` and commit what it writes"


GOOD = [
    '{"type": "hello"}',
    '{"type": "hello", "overlay": "off", "resume": "abc-_9", "keep": null}',
    '{"type": "offer", "sdp": "v=0"}',
    '{"type": "candidate", "candidate": "", "sdp_mid": "0", "sdp_mline_index": 0}',
    '{"type": "control", "overlay": "landmarks", "paused": false, "re_enroll": true, "forget": true}',
    '{"type": "ping", "id": 4294967295}',
    '{"type": "ticket", "purpose": "watch"}',
    '{"type": "ticket", "purpose": "head.glb"}',
    '{"type": "bye"}',
]


@pytest.mark.parametrize("text", GOOD)
def test_what_a_client_may_say_goes_both_ways(text: str) -> None:
    message = decode_client(text)
    assert decode_client(encode(message)) == message
    assert json.loads(encode(message)).items() >= json.loads(text).items()


BAD = [
    ("", "expected a JSON object, got "),
    ("[]", "expected a JSON object, got []"),
    ('{"type": "offer"', "expected a JSON object, got"),
    ('{"type": "hullo"}', "expected a type out of bye, candidate, control, hello, offer, ping, ticket, got 'hullo'"),
    ('{"sdp": "v=0"}', "expected a type out of"),
    ('{"type": "offer"}', "'offer' message: Object missing required field `sdp`"),
    ('{"type": "offer", "sdp": 3}', "'offer' message: Expected `str`, got `int` - at `$.sdp`"),
    ('{"type": "hello", "token": "x"}', "'hello' message: Object contains unknown field `token`"),
    ('{"type": "control", "overlay": "mush"}', "expected mesh, wireframe, textured, landmarks, side_by_side, off"),
    ('{"type": "ping", "id": -1}', "'ping' message: Expected `int` >= 0"),
    ('{"type": "hello", "resume": "a b"}', "'hello' message: Expected `str` matching regex"),
    ("[" * 100_000, "expected a JSON object, got [["),
    (b"\x00\x01", "expected a JSON text message, got 2 bytes of binary"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_bad_message_is_answered_with_what_was_expected_and_what_came(text: str | bytes, said: str) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_client(text)
    words = str(caught.value)
    assert said in words
    assert len(words) < 400
    assert words.isprintable()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
kinds = st.sampled_from(["hello", "offer", "candidate", "control", "ping", "ticket", "bye"])
fields = st.sampled_from(
    ["sdp", "overlay", "resume", "keep", "candidate", "sdp_mid", "paused", "re_enroll", "id", "purpose"]
)
nearly = st.builds(lambda kind, rest: {**rest, "type": kind}, kinds, st.dictionaries(fields, anything, max_size=4))


@given(st.text() | st.binary() | st.builds(json.dumps, anything) | st.builds(json.dumps, nearly))
def test_no_text_does_more_than_be_refused(data: str | bytes) -> None:
    complaint = ""
    try:
        assert isinstance(decode_client(data), protocol.ClientMessage)
    except BadMessage as error:
        complaint = str(error)
    assert complaint.isprintable()


def test_the_schema_accepts_what_the_server_sends() -> None:
    """By the types it is made from: a server message survives its own decoder."""
    message = protocol.Problem("full", "expected a place, got none", "come back", fatal=True)
    assert decode_server(encode(message)) == message


# Binary records.

floats = st.floats(-1e3, 1e3, width=32)


def lists(size: int) -> st.SearchStrategy[list[float]]:
    return st.lists(floats, min_size=size, max_size=size)


cameras = st.builds(CameraPose, lists(4), lists(3), floats, st.tuples(st.integers(1, 65535), st.integers(1, 65535)))
times = st.builds(TimesMs, floats, floats, floats)
counts = st.integers(0, 2**32 - 1)
with_face = st.builds(
    Params, counts, counts, st.floats(0, 1e9), st.sampled_from(["ENROLLING", "TRACKING"]), lists(40), lists(3),
    st.lists(lists(3), min_size=2, max_size=2), lists(3), cameras, lists(52), floats, times,
)  # fmt: skip
without = st.builds(
    Params, counts, counts, st.floats(0, 1e9), st.sampled_from(["SEARCHING", "LOST"]), st.none(), st.none(),
    st.none(), st.none(), st.none(), st.none(), st.none(), times,
)  # fmt: skip


@given(with_face | without)
def test_binary_records_lose_nothing(params: Params) -> None:
    size_px = params.camera.size_px if params.camera else (640, 480)
    assert unpack_params(pack_params(params, size_px, 40)) == params


def test_a_record_stands_where_the_page_reads_it() -> None:
    """The layout as docs/wire.md has it, read with offsets of its own."""
    camera = CameraPose([1, 0, 0, 0], [0.1, 0.2, 0.5], 700, (640, 480))
    params = Params(
        7, 9000, 0.25, "TRACKING", [0.5, 0.25], [0.1, 0, 0], [[1, 2, 3], [4, 5, 6]], [0, 0, 0], camera,
        [0.0] * 51 + [0.75], 0.01, TimesMs(1, 2, 3),
    )  # fmt: skip
    record = pack_params(params, (640, 480), 2)
    assert len(record) == 48 + 4 * (4 + 3 + 1 + 3 + 6 + 3 + 52 + 2)
    assert struct.unpack_from("<BBBBIIHH", record) == (1, 1, 2, 1, 7, 9000, 640, 480)
    assert struct.unpack_from("<dI", record, 16) == (0.25, 2)
    np.testing.assert_allclose(struct.unpack_from("<4f", record, 28), (0.01, 1, 2, 3), rtol=1e-6)
    values = np.frombuffer(record, "<f4", offset=48)
    np.testing.assert_allclose(values[4:8], (0.1, 0.2, 0.5, 700), rtol=1e-6)
    np.testing.assert_allclose(values[-3:], (0.75, 0.5, 0.25), rtol=1e-6)


@given(st.binary(max_size=400) | st.builds(bytes.__add__, st.just(b"\x01\x01\x02\x01"), st.binary(max_size=400)))
def test_no_bytes_do_more_than_be_refused(record: bytes) -> None:
    complaint = "expected"
    try:
        unpack_params(record)
    except ValueError as error:
        complaint = str(error)
    assert complaint.startswith("expected")
