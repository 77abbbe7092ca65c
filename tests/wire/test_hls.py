from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2psim.wire.errors import RemoteProtocolError
from p2psim.wire.hls import (
    ByteRange,
    InitSection,
    Key,
    MasterPlaylist,
    MediaPlaylist,
    MediaSegment,
    Rendition,
    Variant,
    format_master_playlist,
    format_media_playlist,
)
from p2psim.wire.hls_parser import parse_playlist
from tests.wire.vectors import VECTORS

BASE = "http://h/base/m.m3u8"

words = st.text(st.sampled_from("abcXYZ019 ,=;-é"), min_size=1, max_size=12).map(str.strip).filter(bool)
urls = st.integers(0, 99).map("http://h/x/{}.ts?a=1,b".format)
ranges = st.builds(lambda start, size: ByteRange(start, start + size - 1), st.integers(0, 10**9), st.integers(1, 10**9))
inits = st.builds(InitSection, urls, st.none() | ranges)
keys = st.builds(Key, st.just("AES-128"), urls, st.none() | st.binary(min_size=16, max_size=16), st.none() | words)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
variants = st.builds(
    Variant,
    url=urls,
    bandwidth=st.integers(1, 10**9),
    average_bandwidth=st.none() | st.integers(1, 10**9),
    codecs=st.none() | words,
    resolution=st.none() | st.tuples(st.integers(1, 9999), st.integers(1, 9999)),
    frame_rate=st.none() | st.sampled_from(["30.000", "25"]),
    video_range=st.none() | st.sampled_from(["SDR", "PQ"]),
    audio=st.none() | words,
)
renditions = st.builds(
    Rendition,
    kind=st.sampled_from(["AUDIO", "VIDEO", "SUBTITLES"]),
    group=words,
    name=words,
    url=st.none() | urls,
    language=st.none() | words,
    channels=st.none() | words,
    is_default=st.booleans(),
    is_autoselect=st.booleans(),
)


@st.composite
def media_playlists(draw: st.DrawFn) -> MediaPlaylist:
    first = draw(st.integers(0, 10**6))
    init = draw(st.none() | inits)
    segments = [
        MediaSegment(
            url=draw(urls),
            duration=draw(st.floats(0.001, 20)),
            media_sequence=first + position,
            title=draw(st.just("") | words),
            byte_range=draw(st.none() | ranges),
            has_discontinuity=draw(st.booleans()),
            program_date_time=draw(st.none() | moments),
            key=draw(st.none() | keys),
            init=init if init is None else draw(st.just(init) | inits),
        )
        for position in range(draw(st.integers(0, 4)))
    ]
    return MediaPlaylist(
        target_duration=draw(st.integers(1, 60)),
        segments=tuple(segments),
        media_sequence=first,
        discontinuity_sequence=draw(st.integers(0, 9)),
        is_ended=draw(st.booleans()),
        playlist_type=draw(st.sampled_from([None, "VOD", "EVENT"])),
        version=draw(st.integers(1, 9)),
    )


@given(media_playlists(), st.sampled_from(["\n", "\r\n", "\r"]))
def test_media_playlists_survive_a_round_trip(playlist: MediaPlaylist, line_end: str) -> None:
    assert parse_playlist(format_media_playlist(playlist).replace("\n", line_end), BASE) == playlist


@given(
    st.builds(
        MasterPlaylist,
        st.lists(variants, min_size=1, max_size=4).map(tuple),
        st.lists(renditions, max_size=3).map(tuple),
        st.integers(1, 9),
        st.lists(st.tuples(words, words), max_size=2).map(tuple),
    )
)
def test_master_playlists_survive_a_round_trip(playlist: MasterPlaylist) -> None:
    assert parse_playlist(format_master_playlist(playlist), BASE) == playlist


@pytest.mark.parametrize("url", VECTORS["hls"]["playlists"])
def test_playlists_of_the_vectors_survive_a_round_trip(url: str) -> None:
    playlist = parse_playlist(VECTORS["hls"]["playlists"][url], url)
    text = format_master_playlist(playlist) if isinstance(playlist, MasterPlaylist) else format_media_playlist(playlist)
    assert parse_playlist(text, url) == playlist


def test_urls_are_resolved_against_the_url_of_the_response() -> None:
    text = '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI="../i.mp4"\n#EXTINF:4,\na.ts?x=1\n#EXTINF:4,\n/b.ts\n'
    playlist = parse_playlist(text, BASE)
    assert isinstance(playlist, MediaPlaylist)
    assert [segment.url for segment in playlist.segments] == ["http://h/base/a.ts?x=1", "http://h/b.ts"]
    assert playlist.segments[1].init == InitSection("http://h/i.mp4")


def test_a_media_playlist_has_its_documented_text() -> None:
    segment = MediaSegment(
        url="7.ts",
        duration=4,
        media_sequence=7,
        program_date_time=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=0.5),
    )
    text = format_media_playlist(MediaPlaylist(target_duration=4, media_sequence=7, segments=(segment,)))
    assert text.splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:4",
        "#EXT-X-MEDIA-SEQUENCE:7",
        "#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:00:00.500000+00:00",
        "#EXTINF:4.0,",
        "7.ts",
    ]


def test_method_none_ends_the_encryption() -> None:
    text = (
        '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x1F\n#EXTINF:4,\na\n'
        "#EXTINF:4,\nb\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:4,\nc\n"
    )
    playlist = parse_playlist(text, BASE)
    assert isinstance(playlist, MediaPlaylist)
    key = Key("AES-128", "http://h/base/k", bytes(15) + b"\x1f")
    assert [segment.key for segment in playlist.segments] == [key, key, None]


def test_a_byte_range_without_start_continues_the_previous_one() -> None:
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-BYTERANGE:10@5\n#EXTINF:4,\na\n#EXT-X-BYTERANGE:3\n#EXTINF:4,\na\n"
    playlist = parse_playlist(text, BASE)
    assert isinstance(playlist, MediaPlaylist)
    assert [segment.byte_range for segment in playlist.segments] == [ByteRange(5, 14), ByteRange(15, 17)]


HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must begin with #EXTM3U"),
        ("<html>\n#EXTM3U", "must begin with #EXTM3U"),
        ("#EXTM3U\n", "neither a variant nor a segment"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", "without a URL"),
        ('#EXTM3U\n#EXT-X-STREAM-INF:CODECS="a"\nv', "without BANDWIDTH"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=x\nv", "BANDWIDTH is 'x'"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1280\nv", "RESOLUTION is '1280'"),
        ('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="a\nv', "attributes"),
        ('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n#EXT-X-MEDIA:TYPE=SOUND,GROUP-ID="a",NAME="b"', "type SOUND"),
        ('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n#EXT-X-MEDIA:TYPE=AUDIO,NAME="b"', "without GROUP-ID"),
        ("#EXTM3U\n#EXTINF:4,\na", "no #EXT-X-TARGETDURATION"),
        (HEAD + "#EXTINF:4,\n", "segment without a URL"),
        (HEAD + "a.ts", "without #EXTINF"),
        (HEAD + "#EXTINF:four,\na", "#EXTINF is 'four'"),
        (HEAD + "#EXTINF:nan,\na", "#EXTINF is 'nan'"),
        (HEAD + "#EXTINF:4,\n#EXT-X-BYTERANGE:5\na", "without a start"),
        (HEAD + "#EXTINF:4,\n#EXT-X-BYTERANGE:0@5\na", "is empty"),
        (HEAD + "#EXT-X-BYTERANGE:9@0\n#EXTINF:4,\na\n#EXT-X-BYTERANGE:9\n#EXTINF:4,\nb", "without a start"),
        (HEAD + "#EXTINF:4,\na\n#EXT-X-MEDIA-SEQUENCE:5", "after the first segment"),
        (HEAD + '#EXT-X-KEY:URI="k"', "without METHOD"),
        (HEAD + "#EXT-X-KEY:METHOD=AES-128", "without URI"),
        (HEAD + "#EXT-X-PLAYLIST-TYPE:LIVE", "is 'LIVE'"),
        (HEAD + "#EXT-X-PROGRAM-DATE-TIME:noon", "ISO 8601"),
    ],
)
def test_invalid_playlists_are_refused_with_a_reason(text: str, message: str) -> None:
    with pytest.raises(RemoteProtocolError, match=message) as caught:
        parse_playlist(text, BASE)
    assert caught.value.fault == "bad-playlist"
    assert "\n" not in str(caught.value)


@given(
    st.lists(st.sampled_from([*HEAD.split("\n"), "#EXTINF:4,", "#EXT-X-BYTERANGE:1", "#EXT-X-STREAM-INF:", "a", "#x"]))
)
def test_shuffled_lines_raise_only_protocol_errors(lines: list[str]) -> None:
    try:
        parse_playlist("\n".join(lines), BASE)
    except RemoteProtocolError:
        return


def test_a_date_without_time_zone_is_utc() -> None:
    playlist = parse_playlist(HEAD + "#EXT-X-PROGRAM-DATE-TIME:2024-05-01T10:00:00.25\n#EXTINF:4,\na", BASE)
    assert isinstance(playlist, MediaPlaylist)
    assert playlist.segments[0].program_date_time == datetime(2024, 5, 1, 10, 0, 0, 250000, UTC)


def test_byte_ranges_have_sizes_and_are_not_empty() -> None:
    assert ByteRange(5, 9).size == 5
    with pytest.raises(ValueError, match="byte range 5-4"):
        ByteRange(5, 4)


def test_unknown_tags_are_skipped() -> None:
    playlist = parse_playlist(HEAD + "#EXT-X-FUTURE:A=1\n# comment\n#EXTINF:4,title, with comma\na", BASE)
    assert isinstance(playlist, MediaPlaylist)
    assert playlist.segments[0].title == "title, with comma"


def test_playlists_that_cannot_be_expressed_are_refused() -> None:
    segment = MediaSegment(url="a", duration=1, media_sequence=5)
    with pytest.raises(ValueError, match="it must be 0"):
        format_media_playlist(MediaPlaylist(target_duration=1, segments=(segment,)))
    with_init = MediaSegment(url="a", duration=1, media_sequence=0, init=InitSection("i"))
    without = MediaSegment(url="b", duration=1, media_sequence=1)
    with pytest.raises(ValueError, match="no init section"):
        format_media_playlist(MediaPlaylist(target_duration=1, segments=(with_init, without)))
    with pytest.raises(ValueError, match="quote"):
        format_master_playlist(MasterPlaylist((Variant(url="a", bandwidth=1, codecs='"'),)))
    with pytest.raises(ValueError, match="line break"):
        format_master_playlist(MasterPlaylist((Variant(url="a\nb", bandwidth=1),)))
