"""Every row of the API contract has a test that names it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import contract_rows


def named_rows() -> Iterator[tuple[str, str]]:
    """The arguments of all ``contract`` marks, and the files they are in."""
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "contract"
            ):
                for argument in node.args:
                    yield ast.literal_eval(argument), path.name


def test_every_row_has_a_test() -> None:
    rows = {row for row, _ in named_rows()}
    assert sorted(contract_rows.ALL - rows) == []


def test_every_mark_names_a_row() -> None:
    assert sorted(mark for mark in named_rows() if mark[0] not in contract_rows.ALL) == []
