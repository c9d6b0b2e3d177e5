"""Some hundred hostile files, tried as `benchmarks/hostile` tries tens of thousands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_no_mutant_of_a_picture_or_a_sound_ends_stalls_or_misleads(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/hostile", "--mutants", "150", "--families", "pictures", "sounds"]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "a.json")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    reports = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [(each["family"], each["tried"], each["findings"]) for each in reports] == [
        ("pictures", 150, []),
        ("sounds", 150, []),
    ]
    assert all(min(each["kinds"][kind] for kind in ("answered", "refused")) > 10 for each in reports)
