import pytest

from p2psim.wire.hls import MasterPlaylist, MediaPlaylist, Rendition, Variant
from p2psim.wire.hls_parser import parse_playlist
from p2psim.wire.segments import SegmentMap, runtime_id
from p2psim.wire.streams import streams_of
from tests.wire.vectors import VECTORS, Case

HLS = VECTORS["hls"]
CASES = [pytest.param(case, id=case["url"]) for case in HLS["cases"]]


@pytest.mark.parametrize("case", CASES)
def test_streams_equal_those_that_the_player_registers(case: Case) -> None:
    streams = streams_of(parse_playlist(HLS["playlists"][case["url"]], case["url"]), case["url"])
    streams_read = [{"runtimeId": stream.url, "type": stream.kind, "index": stream.index} for stream in streams]
    assert streams_read == case["streams"]


@pytest.mark.parametrize("case", CASES)
def test_properties_equal_those_that_hls_js_reads(case: Case) -> None:
    streams = streams_of(parse_playlist(HLS["playlists"][case["url"]], case["url"]), case["url"])
    for stream, level in zip(streams, case["levels"] + case["audio_tracks"], strict=True):
        quality = stream.quality
        assert (quality.codecs or None) == level.get("videoCodec", level.get("audioCodec"))
        assert (quality.bitrate, quality.width, quality.height) == tuple(
            level.get(name, 0 if name == "bitrate" else None) for name in ("bitrate", "width", "height")
        )
        assert (quality.frame_rate, quality.video_range) == (level.get("frameRate"), level.get("videoRange"))
        assert (quality.language, quality.channels, quality.name) == tuple(
            level.get(name) for name in ("lang", "channels", "name")
        )


@pytest.mark.parametrize("case", CASES)
def test_segments_equal_those_that_the_player_registers(case: Case) -> None:
    for url, expected in case["segments"].items():
        segments = SegmentMap()
        playlist = parse_playlist(HLS["playlists"][url], url)
        assert isinstance(playlist, MediaPlaylist)
        segments.update(playlist)
        segments_read = [
            {"runtimeId": runtime_id(item.segment), "url": item.segment.url, "externalId": item.number}
            | ({"byteRange": {"start": part.start, "end": part.end}} if (part := item.segment.byte_range) else {})
            | {"startTime": item.start, "endTime": item.end}
            for item in segments
        ]
        assert segments_read == expected


def test_a_redirected_playlist_belongs_to_no_stream() -> None:
    (case,) = (case for case in HLS["cases"] if case["url"] == "http://h/r.m3u8")
    streams = streams_of(parse_playlist(HLS["playlists"][case["url"]], case["url"]), case["url"])
    is_shared = any(stream.url == case["details_url"] for stream in streams)
    assert not is_shared
    assert not case["level_playlist_matched_stream"]


def test_a_variant_with_an_unknown_codec_is_ignored_unless_all_have_some() -> None:
    odd = Variant(url="odd", bandwidth=1, codecs="avc1.64001f,xyz1")
    known = Variant(url="known", bandwidth=2, codecs="avc1.64001f,stpp")
    assert [stream.url for stream in streams_of(MasterPlaylist((odd, known)), "m")] == ["known"]
    assert [stream.url for stream in streams_of(MasterPlaylist((odd,)), "m")] == ["odd"]


def test_a_second_variant_with_the_same_playlist_is_ignored() -> None:
    variants = (Variant(url="a", bandwidth=1), Variant(url="a", bandwidth=2))
    (stream,) = streams_of(MasterPlaylist(variants), "m")
    assert stream.quality.bitrate == 1


def test_redundant_variants_share_a_swarm() -> None:
    variants = (Variant(url="http://a/x", bandwidth=5), Variant(url="http://b/x", bandwidth=5))
    first, second = streams_of(MasterPlaylist(variants), "m")
    assert first.info_hash("s") == second.info_hash("s")


def test_a_decimal_codec_with_leading_zeros_is_rewritten_as_in_hls_js() -> None:
    (stream,) = streams_of(MasterPlaylist((Variant(url="a", bandwidth=1, codecs="avc1.077.30"),)), "m")
    assert stream.quality.codecs == "avc1.4d001e"


def test_without_a_bitrate_no_other_property_counts() -> None:
    variant = Variant(url="a", bandwidth=0, codecs="avc1.64001f", resolution=(640, 360))
    (stream,) = streams_of(MasterPlaylist((variant,)), "m")
    assert stream.index == "UYnLxGhQilEV4D0HbCx+kRv0ZF0="


def test_embedded_and_subtitle_renditions_form_no_streams() -> None:
    renditions = (
        Rendition(kind="AUDIO", group="a", name="inside"),
        Rendition(kind="SUBTITLES", group="s", name="text", url="t"),
    )
    playlist = MasterPlaylist((Variant(url="v", bandwidth=1),), renditions)
    assert [stream.url for stream in streams_of(playlist, "m")] == ["v"]
