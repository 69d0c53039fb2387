"""The table of the gates: its intervals, and what it says without the pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.gates import Gates, Line
from mlservice.engine.intervals import wilson


def test_the_intervals_are_wilsons() -> None:
    low, high = wilson(0, 51)
    assert (low, round(high, 3)) == (0.0, 0.07)
    assert [round(bound, 3) for bound in wilson(81, 263)] == [0.255, 0.366]
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_table_has_a_row_for_each_set_and_counts_of_n() -> None:
    report = Gates("gates", "made up")
    report.lines.append(Line("phone", good=True, n=28, found={"refused": 1, "not_skin": 1}))
    assert "1 of 28" in report.table()
    [told] = report.as_json()["lines"]
    assert told["gates"]["not_skin"]["found"] == 1
    assert told["gates"]["blurred"]["found"] == 0


def test_without_the_pictures_it_says_so_and_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LENTIGO_DATA", str(tmp_path))
    assert main(["gates"]) == 0
    assert "not on this machine" in capsys.readouterr().out
