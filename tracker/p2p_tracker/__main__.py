"""Command line of the tracker: ``python -m p2p_tracker --port 8000``."""

import asyncio
import ctypes
import gc
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress

from p2p_tracker.admission.tokens import sign
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.config.sources import Invocation, parse_arguments
from p2p_tracker.errors import OptionError, TrackerError
from p2p_tracker.observability.logs import set_up
from p2p_tracker.server.http import info_hash_of
from p2p_tracker.server.server import serve

__all__ = ["main"]

_M_TRIM_THRESHOLD = -1  # of malloc.h


def main(argv: Sequence[str] | None = None) -> int:
    """Run a tracker; return the exit status.

    It is 0 when told to stop, 2 when it cannot run as asked, 70 after an error that nobody foresaw, 130 when
    interrupted before it listens, 141 when nobody reads its output.
    """
    given = sys.argv[1:] if argv is None else argv
    try:
        return _serve(given)
    except TrackerError as error:
        return _ended(str(error), 2)
    except KeyboardInterrupt:
        return _ended("interrupted", 130)
    except BrokenPipeError:
        # Python would write the rest at exit, and fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        is_debugging = "--debug" in given
        if is_debugging:
            traceback.print_exc()
        words = " ".join(f"{type(error).__name__}: {error}".split())
        return _ended(f"internal error: {words}{'' if is_debugging else '; --debug shows where'}", os.EX_SOFTWARE)


def _serve(argv: Sequence[str]) -> int:
    invocation = parse_arguments(argv, os.environ)
    if invocation.token_seconds is not None:
        print(_token(invocation, invocation.token_seconds), flush=True)
        return 0
    _allow_many_files()
    _keep_freed_memory()
    set_up(invocation.options.log_level, invocation.options.log_format)
    asyncio.run(_run(invocation.options, invocation.is_json))
    return 0


def _ended(why: str, status: int) -> int:
    print(f"tracker: {why}", file=sys.stderr)
    return status


def _allow_many_files() -> None:
    """Raise the soft limit of open files, usually 1024, to the hard one: each connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _keep_freed_memory() -> None:
    """Set glibc to keep some freed memory instead of returning it and faulting it in again."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_TRIM_THRESHOLD, 16 * 2**20)


def _token(invocation: Invocation, seconds: float) -> str:
    secret = invocation.options.token_secret
    if not secret:
        raise OptionError("token_secret is needed to make a token")
    swarms = [info_hash_of(text) for text in invocation.token_swarms]
    if None in swarms:
        raise OptionError(
            f"for_swarm = {invocation.token_swarms!r}: 40 hexadecimal digits or 20 characters are accepted"
        )
    return sign(secret, time.time() + seconds, [text for text in swarms if text is not None] or None)


async def _run(options: ServerOptions, is_json: bool) -> None:
    async with serve(options) as server:
        stopped = asyncio.Event()

        def stop() -> None:
            if stopped.is_set():
                server.skip_drain()
            stopped.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        # peers live long and hold no reference cycles: frequent garbage collections would only traverse them
        gc.freeze()
        gc.set_threshold(20_000, 2, 5)
        if is_json:
            print(json.dumps({"url": server.url, "port": server.port, "http": server.http_url}), flush=True)
        else:
            print(f"listening on {server.url}", flush=True)
        await stopped.wait()


if __name__ == "__main__":
    sys.exit(main())
