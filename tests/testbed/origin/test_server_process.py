"""Origin as a process: its options, its first line of output, its events."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from p2psim.testbed.origin.server import main

DEADLINE = 20


@pytest.mark.asyncio
async def test_it_writes_its_urls_and_serves_until_it_is_terminated(tmp_path: Path) -> None:
    clip = {"rungs": [{"rate": 20_000, "width": 320, "height": 180}], "segment_duration": 1, "segment_count": 1}
    events = tmp_path / "events.jsonl"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "p2psim.testbed.origin.server", "--events", events, "--cache", tmp_path / "cache"),
        *("--options", json.dumps({"window": 4, "clip": clip})),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ,
    )
    try:
        async with asyncio.timeout(DEADLINE), aiohttp.ClientSession() as client:
            assert process.stdout is not None
            urls = json.loads(await process.stdout.readline())
            async with client.get(urls["master"] + "?viewer=v") as response:
                body = await response.read()
            assert response.status == 200
            assert urls["master"].startswith(urls["url"])
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    (event,) = map(json.loads, events.read_text("utf-8").splitlines())
    assert (event["event"], event["viewer"], event["bytes"]) == ("origin", "v", len(body))
    assert event.keys() == {"event", "at", "viewer", "path", "bytes", "status", "duration"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{", "truncated"),
        ("options", "malformed"),
        ("{}", "rungs"),
        ('{"wndow": 3}', "no option 'wndow'"),
        ('{"window": "3"}', "window"),
        ('{"clip": {"rungs": [], "fps": 3}}', "no option 'fps'"),
        ('{"clip": 3}', "object"),
        ('{"port": -1}', "port is -1"),
    ],
)
def test_wrong_options_are_refused_in_one_line(options: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--options", options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1
