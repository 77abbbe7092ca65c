import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2psim.wire.identity import (
    PEER_ID_PREFIX,
    Quality,
    info_hash,
    manifest_swarm_id,
    new_peer_id,
    quality_text,
    stream_index,
    stream_swarm_id,
)
from tests.wire.vectors import VECTORS, Case, by_name

FIELDS = {"frameRate": "frame_rate", "videoRange": "video_range"}


@pytest.mark.parametrize("case", **by_name(VECTORS["stream_short_id"]))
def test_indices_equal_the_vectors(case: Case) -> None:
    quality = Quality(**{FIELDS.get(name, name): value for name, value in case["input"].items()})
    assert stream_index(quality) == case["index"]


@pytest.mark.parametrize("case", **by_name(VECTORS["swarm"]))
def test_swarm_ids_and_info_hashes_equal_the_vectors(case: Case) -> None:
    name = stream_swarm_id(case["swarm_id"], case["type"], case["index"])
    assert name == case["stream_swarm_id"]
    assert info_hash(name) == case["info_hash_ascii"]
    assert info_hash(name).encode().hex() == case["info_hash_hex"]


@pytest.mark.parametrize(
    ("quality", "index", "hashed"),
    [
        (
            Quality(
                bitrate=4521000,
                codecs="avc1.64002a,mp4a.40.2",
                width=1920,
                height=1080,
                frame_rate="29.970",
                video_range="SDR",
            ),
            "mskAojmI+F5YyLLvSP3sdMO5nII=",
            "aEnMPupzZeID9k+gkk5Y",
        ),
        (
            Quality(bitrate=800000, codecs="avc1.66.30", width=640, height=360),
            "NCMJrr57E8a6HDMfQTyx2FBIVq8=",
            "KyXU7oYavEYFE/jxdEBu",
        ),
        (Quality(), "UYnLxGhQilEV4D0HbCx+kRv0ZF0=", "P78ZUY66tgmtYL6JoePW"),
    ],
)
def test_identities_equal_those_in_the_tests_of_p2p_media_loader(quality: Quality, index: str, hashed: str) -> None:
    assert stream_index(quality) == index
    assert info_hash(stream_swarm_id("https://example.com/hls/master.m3u8", "main", index)) == hashed


@pytest.mark.parametrize(
    ("quality", "text"),
    [
        (Quality(), "0--------"),
        (Quality(codecs="b, A,avc1.66.30,avc.77.31"), "0-a,avc.4d001f,avc1.42001e,b-------"),
        (Quality(language="", channels=0, name="\u3000Ab\ufeff"), "0------ab--"),
        (Quality(width=0, height=0), "0--0-0-----"),
        (Quality(frame_rate=0), "0--------"),
        (Quality(frame_rate=" "), "0-------0-"),
        (Quality(frame_rate="1e1"), "0-------10-"),
        (Quality(frame_rate="0.00001"), "0-------0.00001-"),
        (Quality(frame_rate="30fps"), "0--------"),
        (Quality(frame_rate=59.94), "0-------59.94-"),
    ],
)
def test_quality_texts_follow_ecmascript(quality: Quality, text: str) -> None:
    assert quality_text(quality) == text


def test_codecs_sort_by_utf_16_code_units() -> None:
    assert quality_text(Quality(codecs="\uff5e,\U0001f525")) == "0-\U0001f525,\uff5e-------"


@given(st.integers(0, 2**32))
def test_peer_ids_have_the_form_of_p2p_media_loader(seed: int) -> None:
    case = VECTORS["peer_id"]
    drawn = new_peer_id(np.random.default_rng(seed))
    assert drawn.startswith(PEER_ID_PREFIX)
    assert drawn == new_peer_id(np.random.default_rng(seed))
    for peer_id in (drawn, *case["examples"]):
        assert re.fullmatch(case["regex"], peer_id)


def test_peer_ids_may_have_another_prefix() -> None:
    assert re.fullmatch(r"-XX0001-x[A-Za-z0-9]{11}", new_peer_id(np.random.default_rng(1), "-XX0001-x"))
    with pytest.raises(ValueError, match="20 ASCII"):
        new_peer_id(np.random.default_rng(1), "é")


def test_the_swarm_id_excludes_the_query() -> None:
    assert manifest_swarm_id("http://h:1/a.m3u8?x=1?y") == "http://h:1/a.m3u8"
    assert manifest_swarm_id("http://h/a.m3u8#f") == "http://h/a.m3u8#f"


def test_constants_equal_the_vectors() -> None:
    constants = VECTORS["constants"]
    assert constants["tracker_client_version_prefix"] == PEER_ID_PREFIX
    assert stream_swarm_id("s", "main", "i").startswith(constants["peer_protocol_version"] + "-")
