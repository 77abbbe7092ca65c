"""H.264 video in MPEG transport stream segments of an exact duration and size.

A short clip is encoded once per quality and kept on disk. A stream of any length repeats it with its clocks shifted,
so that no two segments have the same bytes and the timeline has no gap.
"""

import hashlib
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from p2psim.errors import InputError, TestbedError
from p2psim.testbed.origin.mpegts import CLOCK_RATE, Clocks, find_clocks, pad, shift

if TYPE_CHECKING:
    VideoPacket = av.Packet[av.VideoStream]

__all__ = ["Clip", "ClipOptions", "Rung", "ladder", "make_clip"]

_FORMAT: Final = 1  # to be increased when the encoded picture changes: files in the cache then no longer match
_ATTEMPTS: Final = 6
_TRANSPORT_SHARE: Final = 184 / 188
_FRAME_OVERHEAD: Final = 130  # bytes: packet headers and half a packet of stuffing per frame
_FILLING: Final = 0.95  # share of the available rate that the encoder aims at, so that its variations fit
# rows of 3 pixels, 5 rows for each digit
_DIGITS: Final = (0o75557, 0o26227, 0o71747, 0o71717, 0o55711, 0o74717, 0o74757, 0o71111, 0o75757, 0o75717)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """Quality of a ladder."""

    rate: float
    """Bytes per second of its segments, all overhead included."""
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 64 or self.height < 64 or self.width % 2 or self.height % 2:
            raise InputError(f"picture of {self.width}x{self.height}: both sides must be even numbers of at least 64")
        if not self.rate >= 5_000:
            raise InputError(f"rate of {self.rate:g} bytes/s: at least 5000 are needed")

    @property
    def name(self) -> str:
        """Name in URLs, such as ``360p-1000k``."""
        return f"{self.height}p-{self.rate * 8 / 1000:.0f}k"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOptions:
    """Options of the encoded clip."""

    rungs: tuple[Rung, ...]
    segment_duration: float = 4.0
    segment_count: int = 8
    """Number of segments until the picture repeats."""
    frame_rate: int = 25

    def __post_init__(self) -> None:
        if not self.rungs or len({rung.name for rung in self.rungs}) < len(self.rungs):
            raise InputError("rungs: at least one quality is needed, and no two with the same height and rate")
        if self.segment_count < 1 or self.frame_rate < 1:
            raise InputError(
                f"segment_count = {self.segment_count}, frame_rate = {self.frame_rate}: both must be at least 1"
            )
        if self.frames_per_segment < 1 or self.segment_duration != self.frames_per_segment / self.frame_rate:
            raise InputError(
                f"segment_duration = {self.segment_duration:g} s: not a whole number of frames at {self.frame_rate}/s"
            )

    @property
    def frames_per_segment(self) -> int:
        """Frames from one key frame to the next."""
        return round(self.segment_duration * self.frame_rate)


def ladder(*rates: float) -> tuple[Rung, ...]:
    """Return a quality for each rate (bytes/s), with a picture size that suits it."""
    sizes = ((30_000, 320, 180), (150_000, 640, 360), (300_000, 960, 540), (600_000, 1280, 720), (np.inf, 1920, 1080))
    return tuple(
        Rung(rate=rate, width=width, height=height)
        for rate in rates
        for width, height in [next((w, h) for most, w, h in sizes if rate <= most)]
    )


class Clip:
    """Encoded segments of every quality, in memory."""

    def __init__(self, options: ClipOptions, codecs: Sequence[str], segments: Sequence[Sequence[bytes]]) -> None:
        self.options = options
        self.codecs = tuple(codecs)
        """Codec of each quality as HLS names it, for example ``avc1.64001e``."""
        self._segments: list[list[tuple[bytes, Clocks]]] = [
            [(data, find_clocks(data)) for data in quality] for quality in segments
        ]

    def segment(self, quality: int, number: int) -> bytes:
        """Return a segment by its number from 0 on; the clip repeats, its clocks do not."""
        rounds, position = divmod(number, self.options.segment_count)
        data, clocks = self._segments[quality][position]
        length = self.options.segment_count * self.options.frames_per_segment
        return shift(data, clocks, rounds * length * CLOCK_RATE // self.options.frame_rate)

    def size(self, quality: int, number: int) -> int:
        """Return the size of a segment, bytes."""
        return len(self._segments[quality][number % self.options.segment_count][0])


def make_clip(options: ClipOptions, cache: Path) -> Clip:
    """Return a clip from the cache; it is encoded first if it is not there.

    Raises
    ------
    TestbedError
        A rate is too low for its picture.
    """
    folder = cache / _digest(options)
    if not (folder / "clip.json").exists():
        _encode_into(options, folder)
    codecs = json.loads((folder / "clip.json").read_text("utf-8"))["codecs"]
    names = [[_file_name(quality, number) for number in range(options.segment_count)] for quality in range(len(codecs))]
    return Clip(options, codecs, [[(folder / name).read_bytes() for name in quality] for quality in names])


def _digest(options: ClipOptions) -> str:
    identity = {"format": _FORMAT, "av": av.__version__, **asdict(options)}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _file_name(quality: int, number: int) -> str:
    return f"{quality}-{number:04d}.ts"


def _encode_into(options: ClipOptions, folder: Path) -> None:
    """Encode into a temporary folder, then rename it, so that no process reads an incomplete clip."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as name:
        draft = Path(name) / "clip"
        draft.mkdir()
        codecs = []
        for quality, rung in enumerate(options.rungs):
            codec, segments = _encode_to_fit(options, rung)
            codecs.append(codec)
            for number, data in enumerate(segments):
                (draft / _file_name(quality, number)).write_bytes(data)
        (draft / "clip.json").write_text(json.dumps({"codecs": codecs, "options": asdict(options)}), "utf-8")
        try:
            draft.rename(folder)
        except OSError:
            if not (folder / "clip.json").exists():  # else another process has encoded the same clip
                raise


def _encode_to_fit(options: ClipOptions, rung: Rung) -> tuple[str, list[bytes]]:
    size = int(rung.rate * options.segment_duration)
    video_rate = (rung.rate - _FRAME_OVERHEAD * options.frame_rate) * _TRANSPORT_SHARE * _FILLING
    for _ in range(_ATTEMPTS):
        if video_rate <= 0:
            break
        packets = _encode(options, rung, video_rate)
        segments = [_multiplex(options, rung, group) for group in packets]
        if max(map(len, segments)) <= size:
            return _codec(bytes(packets[0][0])), [pad(data, size) for data in segments]
        video_rate *= 0.9 * size / max(map(len, segments))
    raise TestbedError(f"{rung.rate * 8 / 1000:.0f} kbit/s are too low for a picture of {rung.width}x{rung.height}")


def _encode(options: ClipOptions, rung: Rung, video_rate: float) -> "list[list[VideoPacket]]":
    """Return the packets of each segment, a key frame first and without references to other segments."""
    frames = options.frames_per_segment
    kilobits = max(1, int(video_rate * 8 / 1000))
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = rung.width, rung.height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, options.frame_rate), Fraction(options.frame_rate)
    encoder.bit_rate = kilobits * 1000
    encoder.thread_count = 1  # the same bytes on every machine
    structure = f"keyint={frames}:min-keyint={frames}:scenecut=0:open-gop=0:bframes=0:force-cfr=1"
    rate_control = f"vbv-maxrate={kilobits}:vbv-bufsize={max(1, kilobits // 2)}:vbv-init=0.5"
    encoder.options = {"preset": "veryfast", "x264-params": f"{structure}:{rate_control}"}
    packets = [packet for frame in _frames(options, rung) for packet in encoder.encode(frame)]
    packets += encoder.encode(None)
    segments: list[list[VideoPacket]] = [[] for _ in range(options.segment_count)]
    for packet in packets:
        segments[(packet.pts or 0) // frames].append(packet)
    if not all(len(group) == frames and group[0].is_keyframe for group in segments):
        raise TestbedError("the encoder did not begin each segment with a key frame")
    return segments


def _multiplex(options: ClipOptions, rung: Rung, packets: "list[VideoPacket]") -> bytes:
    buffer = io.BytesIO()
    period = str(options.segment_duration)  # of the tables: once per segment
    with av.open(buffer, "w", format="mpegts", options={"pat_period": period, "sdt_period": period}) as container:
        stream: Any = container.add_stream("libx264", rate=options.frame_rate)
        stream.width, stream.height, stream.pix_fmt = rung.width, rung.height, "yuv420p"
        for packet in packets:
            packet.stream = stream
            container.mux(packet)
    return buffer.getvalue()


def _codec(stream: bytes) -> str:
    """Return the codec's name from the sequence parameter set: profile, constraints and level (RFC 6381)."""
    start = 0
    while (start := stream.find(b"\x00\x00\x01", start) + 3) >= 3:
        if stream[start] & 0x1F == 7:
            return f"avc1.{stream[start + 1 : start + 4].hex()}"
    raise TestbedError("the encoder wrote no sequence parameter set")


def _frames(options: ClipOptions, rung: Rung) -> Iterator[av.VideoFrame]:
    """Yield the frames: moving stripes, a band of grain that costs bits, the number of the segment, a progress bar."""
    width, height, frames = rung.width, rung.height, options.frames_per_segment
    rows, columns = np.mgrid[0:height, 0:width].astype(np.uint16)
    grain = np.random.default_rng(0).integers(0, 96, (height // 2, 2 * width), np.uint8)
    picture = np.full((height * 3 // 2, width), 128, np.uint8)
    for index in range(options.segment_count * frames):
        number, position = divmod(index, frames)
        picture[:height] = columns + rows // 2 + 3 * index & 0xFF
        picture[height // 2 : height] = np.roll(grain, 5 * index % width, axis=1)[: height - height // 2, :width]
        _draw_number(picture, number, height // 40)
        picture[height - height // 16 : height, : width * (position + 1) // frames] = 235
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, options.frame_rate)
        yield frame


def _draw_number(picture: NDArray[np.uint8], number: int, scale: int) -> None:
    for index, digit in enumerate(str(number)):
        bits = [[_DIGITS[int(digit)] >> 3 * (4 - row) >> 2 - column & 1 for column in range(3)] for row in range(5)]
        glyph = np.kron(np.array(bits, np.uint8), np.ones((2 * scale, 2 * scale), np.uint8)) * 235
        top, left = 2 * scale, (2 + 8 * index) * scale
        picture[top : top + glyph.shape[0], left : left + glyph.shape[1]] = glyph
