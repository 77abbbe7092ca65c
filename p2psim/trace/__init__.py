"""What is observed: one schema of events for simulated and measured runs."""

from p2psim.trace.manifest import Manifest, versions
from p2psim.trace.recorder import Recorder
from p2psim.trace.schema import TABLES
from p2psim.trace.store import Trace, table

__all__ = ["TABLES", "Manifest", "Recorder", "Trace", "table", "versions"]
