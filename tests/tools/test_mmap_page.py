"""docs/mmap.md and the tests of tests/mmap know each other: no line without a test, no test untold.
Of docs/driver.md, too: each test that it names is there."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/mmap.md"


def cases_of(path):
    """Names of the tests that a cmocka program runs."""
    return set(re.findall(r"cmocka_unit_test\w*\((\w+)", path.read_text()))


def named_tests(page=PAGE):
    """[(test, file)] for each [test][file] of the page."""
    text = page.read_text()
    files = dict(re.findall(r"^\[(\w+)\]: (\S+_test\.c)$", text, re.M))
    named = re.findall(r"\[(\w+)\]\[(\w+)\]", text)
    assert named and not [file for _, file in named if file not in files], "a link leads nowhere"
    return [(test, (page.parent / files[file]).resolve()) for test, file in named]


@pytest.mark.parametrize("page", [PAGE, ROOT / "docs/driver.md"], ids=lambda page: page.name)
def test_every_test_that_is_named_is_there(page):
    missing = [f"{path.name}: {test}" for test, path in named_tests(page) if test not in cases_of(path)]
    assert not missing


def test_every_test_is_named():
    named = set(named_tests())
    untold = [f"{path.name}: {test}" for path in sorted((ROOT / "tests/mmap").glob("*_test.c"))
              for test in sorted(cases_of(path)) if (test, path) not in named]
    assert not untold


def test_rows_have_as_many_cells_as_their_table():
    """A cell too few shifts what a row says by one."""
    wrong, columns = [], None
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        if cells and columns and cells != columns:
            wrong.append(f"{PAGE.name}:{number}: {cells - 1} cells, {columns - 1} in the first row")
        columns = columns or cells if cells else None
    assert not wrong


def test_parts_of_the_page_are_there():
    text = PAGE.read_text()
    heads = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")
             for head in re.findall(r"^#+ (.+)$", text, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= heads
