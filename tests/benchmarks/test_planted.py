"""The list of planted defects keeps pace with the code, and planting one does what it says."""

from __future__ import annotations

import pytest

from benchmarks.planted import FAILED, PASSED, ROOT, Copy, Defect, defects

RULE = "mlservice/engine/assess.py"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("planted"))


def test_there_are_twenty_or_more_each_with_a_name_of_its_own() -> None:
    assert len({defect.name for defect in defects()}) == len(defects()) >= 20


@pytest.mark.parametrize("defect", defects(), ids=lambda defect: str(defect.name))
def test_its_place_is_in_the_code_once_and_its_tests_are_there(defect: Defect) -> None:
    assert (ROOT / defect.file).read_text(encoding="utf-8").count(defect.before) == 1
    assert defect.before != defect.after
    assert defect.tests
    assert all((ROOT / test).is_file() for test in defect.tests)


def test_one_is_caught_and_gone_afterwards(copy: Copy) -> None:
    rule = next(defect for defect in defects() if defect.file == RULE)
    code, printed = copy.with_defect(rule)
    assert code == FAILED, printed
    assert (copy.folder / RULE).read_bytes() == (ROOT / RULE).read_bytes()
    code, printed = copy.result("tests/engine/test_decide.py")
    assert code == PASSED, printed


def test_what_harms_nothing_is_not_called_caught(copy: Copy) -> None:
    rule = next(defect for defect in defects() if defect.file == RULE)
    harmless = Defect("nothing", RULE, rule.before, rule.before + "  # as it was", rule.tests)
    code, printed = copy.with_defect(harmless)
    assert code == PASSED, printed


def test_a_place_that_moved_is_said_to_have(copy: Copy) -> None:
    lost = Defect("lost", RULE, "what nobody wrote", "", ("tests/engine/test_decide.py",))
    with pytest.raises(ValueError, match="not found once"):
        copy.with_defect(lost)
