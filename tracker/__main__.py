"""Run a tracker until it is told to stop: ``python -m tracker --port 8000``."""

import asyncio
import gc
import json
import signal
import sys
from collections.abc import Sequence

from tracker.config import Options, parse_arguments
from tracker.errors import TrackerError
from tracker.logs import set_up
from tracker.server import serve

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a tracker; return the exit status: 0 when told to stop, 2 when it cannot run as asked."""
    try:
        options, is_json = parse_arguments(argv)
        set_up(options.log_level, options.log_format)
        asyncio.run(_run(options, is_json))
    except TrackerError as error:
        print(f"tracker: {error}", file=sys.stderr)
        return 2
    return 0


async def _run(options: Options, is_json: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with serve(options) as server:
        # peers live long and hold no cycles: collecting garbage often would only walk over all of them
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        if is_json:
            print(json.dumps({"url": server.url, "port": server.port, "http": server.http_url}), flush=True)
        else:
            print(f"listening on {server.url}", flush=True)
        await stopped.wait()


if __name__ == "__main__":
    sys.exit(main())
