"""What is installed: pins, the hashes of their files, the licences of packages, and how CI uses them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
CI = ROOT / ".ci"


@pytest.fixture(scope="module")
def lock(module_of):
    return module_of("lock")


@pytest.fixture(scope="module")
def module_of():
    """Load a script of .ci by its name."""

    def load(name):
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, CI / f"{name}.py")
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
        return sys.modules[name]

    return load


@pytest.fixture(scope="module")
def pinned(lock):
    return lock.pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def hashed():
    """Return the pins of constraints-hashes.txt with their hashes."""
    text = (ROOT / "constraints-hashes.txt").read_text(encoding="utf-8")
    entries = re.findall(r"^([\w.-]+==\S+)((?: \\\n +--hash=\S+)+)$", text, re.MULTILINE)
    assert len(entries) == text.count("==")
    return {pin: re.findall(r"--hash=(\S+)", hashes) for pin, hashes in entries}


def test_pins_with_hashes_are_those_without(lock, pinned, hashed):
    for pin in hashed:
        same = lock.name_of(pinned[lock.name_of(pin)]), pinned[lock.name_of(pin)].partition("==")[2]
        version = pin.partition("==")[2].partition("+")[0]  # of the CPU build, which has a name of its own
        assert (lock.name_of(pin), version) == same, "run .ci/lock.py"


def test_every_hash_is_a_sha256_and_no_file_is_listed_twice(hashed):
    for pin, hashes in hashed.items():
        assert len(set(hashes)) == len(hashes), pin
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), pin


def test_all_that_tests_and_lint_install_is_hashed(lock, hashed):
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the hashes are those of Python 3.11; audioread needs more on 3.13")
    waiting, known = ["gridcnn[test]", "gridcnn[lint]"], set()
    hashed_names = {lock.name_of(pin) for pin in hashed}
    while waiting:
        requirement = waiting.pop()
        name, extras = lock.name_of(requirement), re.findall(r"\[([^\]]*)\]", requirement.partition(";")[0])
        if requirement in known or not _installed(name):
            continue
        known.add(requirement)
        assert name == "gridcnn" or name in hashed_names, f"{name} has no hash: run .ci/lock.py"
        for line in importlib.metadata.requires(name) or []:
            marker = Requirement(line).marker
            if marker is None or any(marker.evaluate({"extra": each}) for each in ["", *",".join(extras).split(",")]):
                waiting.append(line.partition(";")[0].strip())


def _installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


FREE = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Zlib",
}  # fmt: skip
"""Licences that ask for their notice to be kept, and for nothing else."""

KNOWN = {
    "certifi": "MPL-2.0",  # a list of certificates; changes to its files stay under its licence
    "hypothesis": "MPL-2.0",  # tests only
    "pathspec": "MPL-2.0",  # lint only
    "psycopg": "LGPL-3.0-only",  # a library of its own, for studies in PostgreSQL; its URL may name another one
    "psycopg-binary": "LGPL-3.0-only",  # the same, compiled
    "soxr": "LGPL-2.1-or-later",  # a library of its own, which may be exchanged
    "tqdm": "MPL-2.0",
}
"""Packages under another licence, looked at one by one."""


def test_the_list_of_licences_is_up_to_date(module_of):
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the list is that of Python 3.11")
    module_of("lock")
    try:
        page = module_of("licences").page()
    except importlib.metadata.PackageNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")
    assert (ROOT / "docs" / "licences.md").read_text(encoding="utf-8") == page, "run .ci/licences.py"


def test_no_licence_surprises():
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w.-]+) \| [\d.]+\S* \| ([^|]+) \|", page, re.MULTILINE)
    assert len(rows) > 100
    unusual = {}
    for name, licence in rows:
        for part in re.split(r" (?:and|AND) ", licence):
            if not {choice.strip("() ") for choice in part.split(" OR ")} & FREE:
                unusual[name] = part
    assert unusual == KNOWN


def test_ci_checks_hashes_advisories_lowest_versions_and_three_pythons():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    said = {name: " ".join(step.get("run", "") for step in job["steps"]) for name, job in jobs.items()}
    assert jobs["check"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert "--require-hashes --no-deps -r constraints-hashes.txt" in said["hashes"]
    assert "pip-audit --strict" in said["advisories"]  # without --strict, what cannot be looked up passes
    assert ".ci/lowest.sh" in said["lowest"]


def test_every_job_has_no_more_rights_than_reading():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow["jobs"].values())
