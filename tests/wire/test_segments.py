from collections.abc import Iterable

from p2psim.wire.hls import ByteRange, MediaPlaylist, MediaSegment
from p2psim.wire.segments import PlaylistItem, SegmentMap, runtime_id, segment_number


def playlist(first: int, count: int, *, is_ended: bool = False, duration: float = 4.0) -> MediaPlaylist:
    segments = tuple(
        MediaSegment(url=f"http://h/{number}.ts", duration=duration, media_sequence=number)
        for number in range(first, first + count)
    )
    return MediaPlaylist(target_duration=4, media_sequence=first, segments=segments, is_ended=is_ended)


def numbers(items: Iterable[PlaylistItem]) -> list[int]:
    return [item.number for item in items]


def test_live_playlists_number_by_media_sequence_and_ended_ones_by_position() -> None:
    assert [segment_number(playlist(7, 3), position) for position in range(3)] == [7, 8, 9]
    assert [segment_number(playlist(7, 3, is_ended=True), position) for position in range(3)] == [0, 1, 2]


def test_the_runtime_id_includes_the_byte_range() -> None:
    segment = MediaSegment(url="http://h/a", duration=1, media_sequence=0, byte_range=ByteRange(5, 9))
    assert runtime_id(segment) == "http://h/a|5-9"


def test_a_sliding_window_adds_and_removes_segments() -> None:
    segments = SegmentMap()
    added, removed = segments.update(playlist(10, 3))
    assert (numbers(added), removed) == ([10, 11, 12], [])
    added, removed = segments.update(playlist(12, 3))
    assert (numbers(added), numbers(removed), numbers(segments)) == ([13, 14], [10, 11], [12, 13, 14])
    assert [(item.start, item.end) for item in segments] == [(8, 12), (12, 16), (16, 20)]
    assert segments.by_number(11) is None
    item = segments.by_number(13)
    assert item is not None
    assert item.segment.url == "http://h/13.ts"


def test_without_overlap_the_timeline_continues() -> None:
    segments = SegmentMap()
    segments.update(playlist(0, 2))
    (item, *_), _ = segments.update(playlist(50, 2))
    assert item.start == 8


def test_a_window_that_moves_back_keeps_its_times() -> None:
    segments = SegmentMap()
    segments.update(playlist(10, 3))
    segments.update(playlist(8, 3))
    assert [item.start for item in sorted(segments, key=lambda item: item.number)] == [-8, -4, 0]


def test_the_end_of_a_stream_renumbers_only_new_segments() -> None:
    segments = SegmentMap()
    segments.update(playlist(10, 3))
    segments.update(playlist(10, 5, is_ended=True))
    assert numbers(segments) == [10, 11, 12, 3, 4]


def test_an_empty_playlist_removes_all_segments() -> None:
    segments = SegmentMap()
    segments.update(playlist(0, 2))
    added, removed = segments.update(playlist(2, 0))
    assert (added, numbers(removed), len(segments)) == ([], [0, 1], 0)
