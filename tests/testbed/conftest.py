"""Clip that the tests of the testbed share."""

import pytest

from p2psim.testbed.origin.media import Clip, ClipOptions, ladder, make_clip

TINY = ClipOptions(rungs=ladder(20_000, 40_000), segment_duration=1.0, segment_count=3, frame_rate=10)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Clip of three seconds in two qualities, which is encoded quickly."""
    return make_clip(TINY, tmp_path_factory.mktemp("media"))
