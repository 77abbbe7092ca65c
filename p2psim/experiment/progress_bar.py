"""Progress bar of runs, in a terminal (on standard error) or a notebook."""

from types import TracebackType

from tqdm.auto import tqdm

__all__ = ["Bar"]

tqdm.monitor_interval = 0  # no monitor thread, because a process with threads cannot be forked safely


class Bar:
    """Progress bar that is called as a `p2psim.analysis.runs.Progress`; `quiet` shows nothing."""

    def __init__(self, label: str, quiet: bool = False) -> None:
        self._label, self._quiet = label, quiet
        self._bar: tqdm[None] | None = None

    def __call__(self, done: float, total: int) -> None:
        """Show how many of `total` runs are done."""
        if self._quiet:
            return
        if self._bar is None or self._bar.total != total or done < self._bar.n:
            self.close()
            self._bar = tqdm(
                total=total, desc=self._label, leave=False, bar_format="{l_bar}{bar}| {n:.1f}/{total} runs [{elapsed}]"
            )
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Remove the bar from the screen."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
