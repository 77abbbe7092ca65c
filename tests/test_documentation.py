"""The documentation: its links and paths exist, its terms are defined, its tables are those of the code."""

import ast
import json
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from p2psim.analysis.claims.evidence import CLAIM_METRICS
from p2psim.analysis.comparison.gate import LIMITS, description
from p2psim.network.nat import connects
from p2psim.scenario.nat_kinds import BLOCKED, KINDS, NAT_KINDS, PUBLIC

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "data/traces/README.md",
    "tests/theory/README.md",
    "tracker/README.md",
    *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))),
    *(f"notebooks/{page.name}" for page in sorted((ROOT / "notebooks").glob("*.ipynb"))),
]
READING = ["README.md", "docs/guide.md", "docs/limits.md", "docs/troubleshooting.md", "docs/why.md"]
NAMING_FILES = ["docs/architecture.md", "docs/glossary.md", "CONTRIBUTING.md", "SECURITY.md"]
GLOSSARY = "docs/glossary.md"
ARCHITECTURE = "docs/architecture.md"

LINK = re.compile(r"\[([^\[\]]*)\]\(([^)\s]+)\)")
ANCHOR = re.compile(r'<a id="([^"]+)"></a>')
TERMS = {
    "swarm": r"swarms?",
    "peer": r"peers",
    "viewer": r"viewers?",
    "tracker": r"tracker",
    "segment": r"segments?",
    "live-latency": r"live latency",
    "live-edge": r"live edge",
    "high-demand-window": r"high-demand window",
    "http-window": r"HTTP window",
    "p2p-window": r"P2P window",
    "share": r"P2P share",
    "offload": r"offload",
    "saving": r"savings?",
    "announce": r"announces?",
    "offer": r"offers?",
    "answer": r"answers",
    "heartbeat": r"heartbeats?",
    "nat": r"NATs?",
    "relay": r"relays?",
    "claim": r"claims?",
    "verdict": r"verdicts?",
    "calibration": r"calibrations?",
    "gate": r"gate",
    "inconclusive": r"inconclusive",
    "trace": r"traces?",
    "origin": r"origin",
    "loader": r"loader",
}
"""Anchors of terms that readers may not know → the words for them in running text."""


def read(page: str) -> str:
    """Return the text of a page; of a notebook, that of its Markdown cells."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if not page.endswith(".ipynb"):
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def without_code(text: str) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(page: str) -> frozenset[str]:
    """Return the anchors of a page: those written in it, and those that GitHub makes of its headings."""
    text = without_code(read(page))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = (re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)
    return frozenset({*ANCHOR.findall(text), *slugs})


def links(page: str) -> list[tuple[str, str, str]]:
    """Return text, path from the root and anchor of the links of a page to files of the project, itself included."""
    found = []
    for text, target in LINK.findall(without_code(read(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        found.append((" ".join(text.split()), str(file.resolve().relative_to(ROOT.resolve())), anchor))
    return found


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the rows of the table whose first heading is given."""
    table = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\n((?:\|.*\n?)+)", read(page), re.MULTILINE)
    assert table is not None, heading
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.group(1).splitlines()]


@cache
def defined(file: str) -> frozenset[str]:
    """Return the names that a module defines, those of classes with their class before a dot."""
    names: set[str] = set()
    for node in ast.parse(read(file)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}.{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {each.id for each in targets if isinstance(each, ast.Name)}
    return frozenset(names)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_anchors(page: str) -> None:
    missing = [
        f"{text} → {path}#{anchor}"
        for text, path, anchor in links(page)
        if not (ROOT / path).exists() or (anchor and anchor not in anchors(path))
    ]
    assert not missing


@pytest.mark.parametrize("page", NAMING_FILES)
def test_named_paths_and_modules_exist(page: str) -> None:
    text = re.sub(r"\]\([^)]*\)", "]", read(page))  # targets of links are relative to the page
    paths = re.findall(r"(?<![\w/.])(?:p2psim|tracker|tests|data|docs|notebooks)/[\w./-]*\w", text)
    modules = re.findall(r"python -m ((?:p2psim|tests)[\w.]*)", text)
    assert paths or page == "SECURITY.md"
    paths += [f"{module.replace('.', '/')}.py" for module in modules]
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", NAMING_FILES)
def test_linked_functions_are_in_the_linked_file(page: str) -> None:
    missing = [
        f"{name} in {path}"
        for text, path, _ in links(page)
        for name in re.findall(r"^`([A-Za-z_][\w.]*)`$", text)
        if path.endswith(".py") and name not in {Path(path).stem, Path(path).name, *defined(path)}
    ]
    assert not missing


def test_every_folder_is_described_once() -> None:
    described = [re.findall(r"`([^`]+)`", row[0])[0] for row in rows(ARCHITECTURE, "folder")]
    packages = [
        str(file.parent.relative_to(ROOT))
        for package in ("p2psim", "tracker/p2p_tracker")
        for file in (ROOT / package).rglob("*/__init__.py")
    ]
    assert sorted(described) == sorted(packages)


def test_folders_are_ordered_as_imports_point() -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    rank = {name.strip(): index for index, layer in enumerate(layers) for name in layer.split("|")}
    described = [re.findall(r"`([^`]+)`", row[0])[0] for row in rows(ARCHITECTURE, "folder")]
    modules = [path.removeprefix("tracker/").split("/") for path in described]
    ranks = [rank[parts[0] if parts[0] == "p2p_tracker" else ".".join(parts[:2])] for parts in modules]
    assert ranks == sorted(ranks)


def test_every_event_of_the_kernel_is_described_once() -> None:
    described = [row[0].strip("`") for row in rows(ARCHITECTURE, "event of the kernel")]
    (kinds,) = re.findall(
        r"^\(\n((?:    \w+,\n)+)\) = range\(\d+\)$", read("p2psim/simulation/kernel/event_queue.py"), re.MULTILINE
    )
    assert sorted(described) == sorted(re.findall(r"\w+", kinds))


def test_anchors_of_the_glossary_are_unique() -> None:
    found = ANCHOR.findall(read(GLOSSARY))
    assert len(found) == len(set(found))


def test_the_index_has_every_term_in_order() -> None:
    (index,) = re.findall(r"^Index: (.*?);", read(GLOSSARY), re.MULTILINE | re.DOTALL)
    listed = [(" ".join(text.split()), anchor.removeprefix("#")) for text, anchor in LINK.findall(index)]
    assert listed == sorted(listed, key=lambda entry: entry[0].casefold())
    terms = {anchor for anchor in ANCHOR.findall(read(GLOSSARY)) if not anchor.startswith(("metric-", "nat-"))}
    assert {anchor for _, anchor in listed} == terms
    definitions = dict(re.findall(r'<a id="([^"]+)"></a>([^|]+?) \|', read(GLOSSARY)))
    assert [text for text, anchor in listed if text not in definitions[anchor].split(", ")] == []


def test_every_metric_is_defined_as_in_the_code() -> None:
    expected = {name: metric.text for name, metric in CLAIM_METRICS.items()}
    expected |= {name: description(name) for name in LIMITS}
    written = {ANCHOR.sub("", name).strip("`"): text for name, text in rows(GLOSSARY, "metric")}
    assert written == expected
    assert {f"metric-{name.replace('_', '-')}" for name in expected} <= anchors(GLOSSARY)


def test_every_kind_of_nat_is_defined_as_in_the_code() -> None:
    written = {ANCHOR.sub("", name).strip("`"): tuple(more) for name, *more in rows(GLOSSARY, "kind of NAT")}
    assert list(written) == list(NAT_KINDS)
    for number, kind in enumerate(KINDS):
        rules = (kind.mapping, kind.filtering)
        if kind.name == PUBLIC:
            rules = ("none", "none")  # type: ignore[assignment]
        if kind.name == BLOCKED:
            rules = ("UDP is blocked", "UDP is blocked")  # type: ignore[assignment]
        assert written[kind.name][:2] == rules, kind.name
        assert reached(written[kind.name][2]) == {
            name for other, name in enumerate(NAT_KINDS) if connects(number, other)
        }, kind.name


def reached(cell: str) -> set[str]:
    """Return the kinds of NAT that a cell of the column "connects without a relay to" names."""
    named = set(re.findall(r"`([^`]+)`", cell))
    if cell.startswith("all kinds except"):
        return set(NAT_KINDS) - named
    return named


@pytest.mark.parametrize("page", READING)
def test_terms_are_linked_where_first_used(page: str) -> None:
    assert unlinked(read(page)) == []


def test_an_unlinked_term_is_noticed() -> None:
    (missing,) = unlinked("A swarm and [swarms](glossary.md#swarm).")
    assert missing.startswith("swarm: ")
    assert (
        unlinked("[Viewers](docs/glossary.md#viewer) of a [swarm](docs/glossary.md#swarm); a swarm, `tracker`.") == []
    )


def unlinked(text: str) -> list[str]:
    """Return the anchors of the terms whose first use in running text is not a link to the glossary."""
    not_running = r"^#.*$|!\[[^\]]*\]\([^)]*\)|`[^`]*`|^\|.*\|\n\|[-|]+$"
    plain, linked = "", []
    for part in re.split(r"(\[[^\[\]]*\]\([^)\s]+\))", re.sub(not_running, "", without_code(text), flags=re.MULTILINE)):
        link = LINK.fullmatch(part)
        if link is not None:
            linked.append((len(plain), len(plain) + len(link[1]), link[2]))
            part = link[1] if "glossary.md" in link[2] else ""  # titles of other pages are not running text
        plain += part
    missing = []
    for anchor, words in TERMS.items():
        first = re.search(rf"(?<![\w-]){words}(?![\w-])", plain, re.IGNORECASE)
        target = f"glossary.md#{anchor}"
        if first and not any(a <= first.start() < b and to.endswith(target) for a, b, to in linked):
            missing.append(f"{anchor}: {' '.join(plain[first.start() - 30 : first.end() + 20].split())}")
    return missing
