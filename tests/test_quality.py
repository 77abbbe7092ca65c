"""The checks that are no tests of behaviour: style, types, architecture, and what the README says of commands."""

import json
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
from p2p_tracker.web.libraries import Libraries

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["importlinter.cli"],
    ],
    ids=["ruff-check", "ruff-format", "mypy", "import-linter"],
)
def test_checker_is_content(command: list[str]) -> None:
    module, *arguments = command
    code = [sys.executable, "-m", module, *arguments]
    if module == "importlinter.cli":
        code = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    run = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, (run.stdout + run.stderr)[-4000:]


def test_ci_runs_the_readmes_test_command() -> None:
    commands = re.findall(r"^python3 -m venv .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(commands) == 2
    assert "p2psim validate" in commands[0]
    assert commands[1] in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.slow
def test_workflows_are_valid_and_run_the_readmes_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    workflow = ROOT / ".github" / "workflows" / "ci.yml"
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    run = subprocess.run([*check, str(workflow)], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    text = workflow.read_text()
    assert re.findall(r"^python3 -m venv .*$", readme, re.MULTILINE)[0] in text
    assert ".ci/run" in text
    assert "p2psim compare --junit" in text


def players_workflow() -> str:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return str(example)


@pytest.mark.slow
def test_the_readmes_workflow_is_valid(tmp_path: Path) -> None:
    (tmp_path / "player.yml").write_text(players_workflow())
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    run = subprocess.run(
        [*check, str(tmp_path / "player.yml")], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_readmes_workflow_lets_a_build_of_ones_own_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its script runs as it stands there, beside a checkout and changed libraries."""
    table = tmp_path / "p2psim" / "tracker" / "p2p_tracker" / "web" / "static" / "libraries.json"
    table.parent.mkdir(parents=True)
    table.write_bytes((ROOT / "tracker" / "p2p_tracker" / "web" / "static" / "libraries.json").read_bytes())
    for package, entry in json.loads(table.read_text()).items():
        file = tmp_path / "node_modules" / package / entry["file"]
        file.parent.mkdir(parents=True)
        file.write_text(f"// {package}, of our own")
    assert not Libraries(str(tmp_path / "node_modules")).is_complete
    (script,) = re.findall(r"shell: python\n +run: \|\n(.*?)^      - ", players_workflow(), re.MULTILINE | re.DOTALL)
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, check=True, timeout=60)
    monkeypatch.setattr("p2p_tracker.web.libraries._table", lambda: json.loads(table.read_text()))
    assert Libraries(str(tmp_path / "node_modules")).is_complete


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f'__version__ = "{project["version"]}"' in (ROOT / "p2psim" / "__init__.py").read_text()
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text()
