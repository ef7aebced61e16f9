"""Frames and first words."""

import pytest

from domain.filters import parse
from services.attach import protocol
from services.attach.protocol import (
    PROTOCOL,
    Deflater,
    Hello,
    Inflater,
    ProtocolError,
    Watch,
    Welcome,
    decoder,
    encode,
    mismatch,
)
from services.version import VERSION

LENGTH = protocol.LENGTH.size


def test_frames_that_repeat_themselves_are_small() -> None:
    deflater, inflater = Deflater(), Inflater()
    payload = encode({"user": "u-0042", "text": "eleven times the usual amount"})
    sizes = []
    for _ in range(5):
        packed = deflater.pack(payload)
        sizes.append(len(packed))
        assert inflater.unpack(packed[LENGTH:]) == payload
    assert sizes[-1] < sizes[0] / 2


def test_what_is_no_deflate_stream_is_refused() -> None:
    with pytest.raises(ProtocolError, match="deflate"):
        Inflater().unpack(b"nonsense")


def test_a_small_frame_that_unpacks_to_a_huge_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MOST_SAID", 10_000)
    packed = Deflater().pack(b"0" * 1_000_000)
    assert len(packed) < 2_000
    with pytest.raises(ProtocolError, match="10,000"):
        Inflater().unpack(packed[LENGTH:])


def test_a_filter_travels_as_its_text() -> None:
    watched = Watch(parse("amount>500 -merchant:grocery"), 20)
    assert decoder(Watch).decode(encode(watched)).filter.text == "amount>500 -merchant:grocery"


def test_other_versions_are_told_both_and_what_to_do() -> None:
    ours = Hello(PROTOCOL, VERSION)
    assert mismatch(ours, engine=Welcome(PROTOCOL, "9.9", 1), console=ours) == ""
    theirs = Welcome(PROTOCOL + 1, "9.9", 1)
    said = mismatch(theirs, engine=theirs, console=ours)
    assert "9.9" in said
    assert VERSION in said
    assert "restart the engine" in said
