import pytest

from p2psim.testbed.origin.media import ClipOptions, ladder, make_clip

TINY = ClipOptions(rungs=ladder(20_000, 40_000), segment_duration=1.0, segment_count=3, frame_rate=10)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory):
    """Three seconds in two qualities: encodes in a moment."""
    return make_clip(TINY, tmp_path_factory.mktemp("media"))
