"""Which addresses a server offers for its video, by what it is bound to."""

import shutil
import subprocess
import sys
from pathlib import Path

import aioice.ice
import pytest

from stream import addresses
from stream.sdp import BadOffer, checked_offer, with_start_rate

ROOT = Path(__file__).parents[2]


def offered(host: str) -> list[str]:
    addresses.install(host)
    try:
        found: list[str] = aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=True)
    finally:
        addresses.install("127.0.0.1")
    return found


def test_what_is_offered_follows_what_is_bound() -> None:
    assert offered("127.0.0.1") == offered("localhost") == ["127.0.0.1", *addresses.local_addresses()]
    assert offered("0.0.0.0")[-1] == "127.0.0.1"
    assert "127.0.0.1" not in addresses.local_addresses()
    for address in addresses.local_addresses():
        assert offered(address) == [address]


@pytest.mark.parametrize(
    ("host", "private"),
    [("127.0.0.1", True), ("192.168.1.2", True), ("10.0.0.1", True), ("8.8.8.8", False), ("localhost", True)],
)
def test_near_and_far(host: str, private: bool) -> None:
    assert addresses.is_private(host) is private


OFFER = "\n".join(
    [
        "v=0",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "a=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host",
        "a=candidate:2 1 udp 2122260223 0b1c.local 50001 typ host",
        "a=end-of-candidates",
        "a=rtpmap:96 VP8/90000",
        "",
    ]
)


def test_candidates_are_dropped_or_kept_but_never_names() -> None:
    """A server told to knock at addresses from an offer would be a tool for scanning."""
    assert "candidate" not in checked_offer(OFFER, keep_candidates=False)
    kept = checked_offer(OFFER, keep_candidates=True)
    assert "192.0.2.7" in kept
    assert ".local" not in kept
    assert "end-of-candidates" not in kept


def test_offers_with_too_much_are_refused() -> None:
    with pytest.raises(BadOffer, match="expected one video line"):
        checked_offer(OFFER + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n", False)
    with pytest.raises(BadOffer, match="at most 20 candidates"):
        checked_offer(OFFER + "a=candidate:1 1 udp 1 192.0.2.7 50000 typ host\n" * 30, False)


def test_the_start_rate_stands_behind_its_codec() -> None:
    answer = "m=video 1 RTP 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n"
    lines = with_start_rate(answer, 1000).split("\r\n")
    assert lines[2] == "a=fmtp:96 x-google-start-bitrate=1000;x-google-min-bitrate=1000"


def test_a_machine_without_any_network_talks_to_itself() -> None:
    """In a network namespace where only loopback is up, a visitor gets parameters."""
    script = (
        "ip link set lo up && exec "
        f"{sys.executable} -m pytest -q -p no:cacheprovider tests/stream/test_live.py -k overlay_and_pause"
    )
    able = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False, timeout=60)
    if able.returncode != 0 or shutil.which("ip") is None:
        pytest.skip("needs ip, and the right to make a network namespace (unshare)")
    words = ["unshare", "-rn", "sh", "-c", script]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, result.stdout[-2000:]
