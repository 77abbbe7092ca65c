"""Comparisons as a JUnit file, which continuous integration reads."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from p2psim.analysis.comparison.compare import Comparison, Difference
from p2psim.analysis.comparison.gate import Check
from p2psim.analysis.formatting import format_value
from p2psim.analysis.metrics import METRICS

__all__ = ["junit"]


def junit(comparisons: Sequence[Comparison]) -> str:
    """Write one test case per trace and metric.

    A metric of the gate fails where both worlds differ, and where equality is not shown; type and message of the
    failure say which. One that only informs, or cannot be judged, is skipped and says why.
    """
    suite = ET.Element("testsuite", name="p2psim compare", errors="0")
    for each in comparisons:
        for check in each.checks:
            _case(suite, each, check)
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f".//{tag}"))))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, comparison: Comparison, check: Check) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"p2psim.compare.{comparison.name}", name=check.metric)
    found = comparison.differences.get(check.metric)
    text = f"{_values(found)}{check.text} ({comparison.noise}; {comparison.replications} simulated)"
    if check.fails:
        ET.SubElement(case, "failure", type=check.verdict, message=f"{check.verdict}: {text}")
    elif check.verdict == "not judged":
        ET.SubElement(case, "skipped", message=f"not judged: {text}")
    elif not check.gates:
        ET.SubElement(case, "skipped", message=f"informs only: {check.verdict}")
    ET.SubElement(case, "system-out").text = text


def _values(found: Difference | None) -> str:
    if found is None:
        return ""
    unit = METRICS[found.metric].unit if found.metric in METRICS else "size"
    return f"measured {format_value(found.measured, unit)}, simulated {format_value(found.simulated, unit)}; "
