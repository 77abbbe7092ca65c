import json
from pathlib import Path

import pytest
from p2p_tracker.errors import OptionError
from p2p_tracker.web.channels import read_channels


def test_without_a_file_the_list_has_demonstration_streams() -> None:
    assert {channel["name"] for channel in json.loads(read_channels(""))} >= {"Big Buck Bunny"}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{}",
        '[{"name": "a"}]',
        '[{"name": "", "url": "/x"}]',
        '[{"name": "a", "url": ""}]',
        '[{"name": "a", "url": "javascript:alert(1)"}]',
        '[{"name": "a", "url": "/x", "logo": "data:x"}]',
        '[{"name": "a", "url": "/x", "colour": "red"}]',
    ],
)
def test_invalid_lists_are_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "channels.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(OptionError, match=r"channels = '.*channels\.json'"):
        read_channels(str(path))
