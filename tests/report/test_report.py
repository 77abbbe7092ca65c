"""Reports are one file, complete, and escape what they are given."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from p2psim.analysis.claims.definitions import load_claims
from p2psim.analysis.claims.findings import Finding, status
from p2psim.analysis.claims.verdicts import ClaimResult
from p2psim.analysis.statistics import Interval
from p2psim.report import Validation, claims_frame, write_validation
from p2psim.report.html import page, table
from p2psim.report.validation import agreement_text


def results() -> list[ClaimResult]:
    """Return results of all claims, each with an estimate in the middle of its claimed range."""
    found = []
    for claim in load_claims():
        findings = []
        for case in claim.cases:
            mean = case.high - 0.01 * abs(case.high) if case.low == -float("inf") else case.low * 1.01
            interval = Interval(mean, mean * 0.999, mean * 1.001)
            findings.append(Finding(case, interval, status(interval, case.low, case.high)))
        found.append(ClaimResult(claim, tuple(findings), "holds", "", (claim.note,)))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("report")
    write_validation(target, Validation(results=results(), comparisons=[], seed=7, replications=4))
    return target


@pytest.mark.slow
def test_the_report_needs_no_other_file(folder: Path) -> None:
    text = (folder / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "http://" not in text
    assert "https://" not in text
    assert text.count("data:image/png;base64,") == 2, "the claims and the trade-off"


def test_every_claim_and_case_is_in_the_report(folder: Path) -> None:
    text = (folder / "report.html").read_text()
    cases = pd.read_csv(folder / "cases.csv")
    for claim in load_claims():
        assert f"<td>{claim.id}</td>" in text
        assert len(cases[cases["id"] == claim.id]) == len(claim.cases)
    assert "seed 7" in text
    assert "only a saving of 60 % lies in all of C1, C4, C5, C7" in text


def test_csv_has_the_values_of_the_table(folder: Path) -> None:
    frame = pd.read_csv(folder / "claims.csv")
    assert frame["id"].tolist() == [f"C{number}" for number in range(1, 15)]
    assert frame.loc[0, "claimed"] == "50 to 70 %"
    assert (frame["verdict"] == "holds").all()
    assert frame["mean"].tolist() == pytest.approx(claims_frame(results())["mean"].tolist())


def test_the_agreement_text_states_the_common_savings() -> None:
    some = [result for result in results() if result.claim.id in ("C1", "C4")]
    assert "50 to 60 %" in agreement_text(some)
    assert agreement_text(some[:1]) == ""
    apart = [replace(some[0], claim=replace(some[0].claim, saving=(0.8, 0.9))), some[1]]
    assert "contradict each other: no saving lies in all of C1, C4" in agreement_text(apart)


def test_text_is_escaped() -> None:
    assert "<script>" not in page("<script>", [table(["<b>"], [["<i>"]])])
