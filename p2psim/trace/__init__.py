"""Traces: the tables of events of a simulated or measured run, and the totals computed from them."""

from p2psim.trace.accounting import discrepancies, totals
from p2psim.trace.manifest import Manifest, versions
from p2psim.trace.recorder import Recorder
from p2psim.trace.schema import TABLES, Column, required_columns
from p2psim.trace.store import Trace, table
from p2psim.trace.totals import BIN, TIMELINE, VIEWER_TOTALS, Totals

__all__ = [
    "BIN",
    "TABLES",
    "TIMELINE",
    "VIEWER_TOTALS",
    "Column",
    "Manifest",
    "Recorder",
    "Totals",
    "Trace",
    "discrepancies",
    "required_columns",
    "table",
    "totals",
    "versions",
]
