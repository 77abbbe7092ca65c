"""Comparisons as a JUnit file, which continuous integration reads."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from p2psim.analysis.comparison import Comparison

__all__ = ["junit"]


def junit(comparisons: Sequence[Comparison]) -> str:
    """Write one test case per trace; it fails where simulated and measured disagree."""
    failed = sum(not each.agrees for each in comparisons)
    suite = ET.Element(
        "testsuite", name="p2psim compare", tests=str(len(comparisons)), failures=str(failed), errors="0"
    )
    for each in comparisons:
        case = ET.SubElement(suite, "testcase", classname="p2psim.compare", name=each.name)
        share, test = each.differences["p2p_ratio"], each.equivalence
        text = (
            f"P2P share measured {share.measured:.4f}, simulated {share.simulated:.4f}; 90 % interval of the "
            f"difference {test.low:.4f} to {test.high:.4f}, margin {test.margin:.4f}"
        )
        if not each.agrees:
            ET.SubElement(case, "failure", message=text)
        ET.SubElement(case, "system-out").text = text
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
