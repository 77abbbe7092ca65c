"""Elements of self-contained HTML reports, which also print on A4."""

import base64
import io
import shlex
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from p2psim import __version__
from p2psim.scenario import Scenario
from p2psim.trace import versions

__all__ = ["answer", "command", "details", "figure", "heading", "page", "paragraph", "provenance", "table"]

_STYLE = """
html { font-size: 15px; }
body { font: 1rem/1.5 system-ui, sans-serif; color: #222; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.2rem; break-after: avoid; }
.answer { font-size: 1.2rem; line-height: 1.4; border-left: 4px solid #0072B2; padding-left: .8rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; margin: .6rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ddd;
  overflow-wrap: break-word; }
th { border-bottom: 2px solid #888; } td.holds { color: #00694d; } td.fails { color: #b34a00; }
td.only { color: #8a5f00; } figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; }
figcaption { color: #555; font-size: .87rem; } .quiet { color: #555; }
pre, .code { font-family: ui-monospace, monospace; font-size: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }
@page { size: A4; margin: 16mm 14mm; }
@media print {
  html { font-size: 10.5px; } body { margin: 0; padding: 0; max-width: none; }
  .wide { overflow: visible; } thead { display: table-header-group; }
  figure, tr, .answer { break-inside: avoid; } h2 + p { break-after: avoid; }
  figure img { max-height: 21cm; width: auto; }
  details::details-content { content-visibility: visible; block-size: auto; } details > * { display: block; }
}
"""


def page(title: str, parts: Sequence[str]) -> str:
    """Return the whole document."""
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style></head>\n<body>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def heading(text: str) -> str:
    """Return the heading of a section."""
    return f"<h2>{escape(text)}</h2>"


def answer(text: str) -> str:
    """Return the sentence at the top of a report."""
    return f'<p class="answer">{escape(text)}</p>'


def details(title: str, text: str) -> str:
    """Return a long text that is collapsed on a screen and complete on paper."""
    return f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"


def command() -> str:
    """Return the current command line as it can be typed again; "from Python" if another program is running."""
    program = Path(sys.argv[0])
    is_p2psim = program.stem == "p2psim" or (program.stem == "__main__" and program.parent.name == "p2psim")
    return shlex.join(["p2psim", *sys.argv[1:]]) if is_p2psim else "from Python"


def provenance(scenario: Scenario | None, seed: int | None, replications: int | None = None) -> list[str]:
    """Return a section with all that is needed to reproduce the report: command, versions, seed, digest, scenario."""
    used = {"p2psim": __version__, **versions()}
    rows = [["command", command()]]
    rows += [["seed", str(seed)]] if seed is not None else []
    rows += [["replications", str(replications)]] if replications is not None else []
    rows += [["digest of the scenario", scenario.digest]] if scenario is not None else []
    rows += [["versions", ", ".join(f"{name} {number}" for name, number in used.items())]]
    parts = [heading("Provenance"), table(["", ""], rows)]
    return parts if scenario is None else [*parts, details("The scenario", scenario.to_toml())]


def paragraph(text: str, quiet: bool = False) -> str:
    """Return a paragraph."""
    return f"<p{' class=quiet' if quiet else ''}>{escape(text)}</p>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], marks: Sequence[str] = ()) -> str:
    """Return a table; `marks` are the CSS classes of the last cell of each row."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = []
    for index, row in enumerate(rows):
        cells = [f"<td>{escape(cell).replace(' %', '&nbsp;%')}</td>" for cell in row]
        if marks and marks[index]:
            cells[-1] = f'<td class="{marks[index]}">{escape(row[-1])}</td>'
        lines.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(lines)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def figure(drawn: Figure, caption: str, beside: Path | None = None) -> str:
    """Return a figure embedded in the document; a copy is written to `beside`."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=140, bbox_inches="tight", metadata={"Software": ""})
    if beside is not None:
        beside.write_bytes(buffer.getvalue())
    data = base64.b64encode(buffer.getvalue()).decode()
    text = escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'
