"""JUnit output of comparisons, for continuous integration."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from p2psim.analysis.comparison.gate import Check
from p2psim.analysis.comparison.result import Comparison, Difference
from p2psim.analysis.formatting import format_value
from p2psim.analysis.metrics import METRICS

__all__ = ["junit"]


def junit(comparisons: Sequence[Comparison]) -> str:
    """Return a JUnit document with one test case per comparison and metric.

    A metric of the gate that differs or is inconclusive fails; type and message of the failure state which. A metric
    that is not part of the gate, or not judged, is skipped with the reason.
    """
    suite = ET.Element("testsuite", name="p2psim compare", errors="0")
    for comparison in comparisons:
        for check in comparison.checks:
            _case(suite, comparison, check)
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f".//{tag}"))))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, comparison: Comparison, check: Check) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"p2psim.compare.{comparison.name}", name=check.metric)
    difference = comparison.differences.get(check.metric)
    text = f"{_values(difference)}{check.text} ({comparison.noise}; {comparison.replications} simulated)"
    if check.fails:
        ET.SubElement(case, "failure", type=check.verdict, message=f"{check.verdict}: {text}")
    elif check.verdict == "not judged":
        ET.SubElement(case, "skipped", message=f"not judged: {text}")
    elif not check.gates:
        ET.SubElement(case, "skipped", message=f"not part of the gate: {check.verdict}")
    ET.SubElement(case, "system-out").text = text


def _values(difference: Difference | None) -> str:
    if difference is None:
        return ""
    unit = METRICS[difference.metric].unit if difference.metric in METRICS else "size"
    return f"measured {format_value(difference.measured, unit)}, simulated {format_value(difference.simulated, unit)}; "
