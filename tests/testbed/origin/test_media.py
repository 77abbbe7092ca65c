"""Encoded clips: decodable segments of exact duration and size."""

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from p2psim.errors import InputError, TestbedError
from p2psim.testbed.origin.media import Clip, ClipOptions, Rung, ladder, make_clip

QUALITIES = [0, 1]


def read(data: bytes) -> tuple[list[av.VideoFrame], list[Any]]:
    """Return the frames and the packets of a file."""
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        (stream,) = container.streams
        packets: list[Any] = list(container.demux(stream))
        frames = [frame for item in packets for frame in item.decode()]
        assert stream.codec_context.name == "h264"
        return frames, [item for item in packets if item.size]


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("number", [0, 2, 7])
def test_each_segment_decodes_alone(clip: Clip, quality: int, number: int) -> None:
    frames, packets = read(clip.segment(quality, number))
    rung = clip.options.rungs[quality]
    assert len(frames) == 10
    assert {(frame.width, frame.height) for frame in frames} == {(rung.width, rung.height)}
    assert [item.is_keyframe for item in packets] == [True] + [False] * 9


@pytest.mark.parametrize("quality", QUALITIES)
def test_timeline_has_no_gap_over_repetitions(clip: Clip, quality: int) -> None:
    joined = b"".join(clip.segment(quality, number) for number in range(8))
    _, packets = read(joined)
    assert {later.pts - earlier.pts for earlier, later in pairwise(packets)} == {9000}
    assert len(packets) == 80


@pytest.mark.parametrize("quality", QUALITIES)
def test_sizes_are_rate_times_duration(clip: Clip, quality: int) -> None:
    expected = clip.options.rungs[quality].rate * clip.options.segment_duration
    for number in range(6):
        size = len(clip.segment(quality, number))
        assert expected - 188 < size <= expected
        assert clip.size(quality, number) == size


def test_no_two_segments_have_the_same_bytes(clip: Clip) -> None:
    contents = {clip.segment(quality, number) for quality in QUALITIES for number in range(10)}
    assert len(contents) == 20
    assert clip.segment(0, 4) == clip.segment(0, 4)


def test_most_of_a_segment_is_video(clip: Clip) -> None:
    for quality in QUALITIES:
        _, packets = read(clip.segment(quality, 0))
        assert sum(item.size for item in packets) > 0.5 * clip.size(quality, 0)


def test_codec_is_that_of_the_stream(clip: Clip) -> None:
    profiles = {"High": 0x64, "Main": 0x4D, "Constrained Baseline": 0x42, "Baseline": 0x42}
    for quality, codec in enumerate(clip.codecs):
        with av.open(io.BytesIO(clip.segment(quality, 0)), format="mpegts") as container:
            context = container.streams.video[0].codec_context
            assert codec[:7] == f"avc1.{profiles[str(context.profile)]:02x}"
    assert clip.codecs[0] == "avc1.64000b"  # High, level 1.1: 320 x 180 at 10 frames a second


def test_picture_moves_and_shows_its_number(clip: Clip) -> None:
    first, _ = read(clip.segment(0, 0))
    third, _ = read(clip.segment(0, 2))
    luma = [frame.to_ndarray()[: frame.height].astype(int) for frame in (first[0], first[5], third[0])]
    assert np.abs(luma[0] - luma[1]).mean() > 10
    glyphs = [picture[8:48, 8:32] > 200 for picture in (luma[0], luma[2])]
    assert glyphs[0].any()
    assert (glyphs[0] != glyphs[1]).any()


def test_cache_is_used_for_the_same_options_alone(tmp_path: Path) -> None:
    options = ClipOptions(rungs=ladder(20_000), segment_duration=0.5, segment_count=1, frame_rate=10)
    first = make_clip(options, tmp_path)
    (folder,) = tmp_path.iterdir()
    (folder / "0-0000.ts").write_bytes(first.segment(0, 0)[:-188])
    assert make_clip(options, tmp_path).size(0, 0) == first.size(0, 0) - 188
    make_clip(ClipOptions(rungs=ladder(25_000), segment_duration=0.5, segment_count=1, frame_rate=10), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
def test_a_rate_that_is_too_low_for_its_picture_is_refused(tmp_path: Path) -> None:
    options = ClipOptions(rungs=(Rung(rate=5_000, width=1920, height=1080),), segment_duration=0.4, segment_count=1)
    with pytest.raises(TestbedError, match="40 kbit/s are too low for a picture of 1920x1080"):
        make_clip(options, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_ladder_gives_a_picture_size_to_each_rate() -> None:
    assert [rung.name for rung in ladder(20_000, 125_000, 625_000, 300_000, 600_000)] == [
        "180p-160k",
        "360p-1000k",
        "1080p-5000k",
        "540p-2400k",
        "720p-4800k",
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rung(rate=1e5, width=641, height=360), "641x360"),
        (lambda: Rung(rate=1e5, width=32, height=32), "32x32"),
        (lambda: Rung(rate=4_000, width=320, height=180), "rate of 4000"),
        (lambda: Rung(rate=float("nan"), width=320, height=180), "rate of nan"),
        (lambda: ClipOptions(rungs=()), "at least one quality is needed"),
        (lambda: ClipOptions(rungs=ladder(1e5, 1e5)), "at least one quality is needed"),
        (lambda: ClipOptions(rungs=ladder(1e5), segment_duration=1.01), "1.01 s: not a whole number"),
        (lambda: ClipOptions(rungs=ladder(1e5), segment_duration=0), "0 s: not a whole number"),
        (lambda: ClipOptions(rungs=ladder(1e5), segment_count=0), "segment_count = 0"),
    ],
)
def test_wrong_options_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
