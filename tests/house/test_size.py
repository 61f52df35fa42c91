"""The size budget: what is short is read."""

import ast
import statistics
from collections.abc import Iterable
from pathlib import Path

from checkout import ROOT, SOURCE, project_files, python_files

CAP = 600
FILE_MEDIAN = 150
FILE_P90 = 400
FUNCTION_MEDIAN = 10
WRITTEN = frozenset({".css", ".html", ".js", ".py", ".sh"})


def lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def package_files() -> list[Path]:
    """Without the files that only make a folder a package, which would flatter the median."""
    return [file for file in python_files("src") if file.name != "__init__.py" or lines(file) > 5]


def function_lengths(files: Iterable[Path]) -> list[int]:
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]


def test_no_file_is_longer_than_the_cap() -> None:
    ours = [file for file in project_files() if file.suffix in WRITTEN and "vendor" not in file.parts]
    assert {str(file.relative_to(ROOT)): lines(file) for file in ours if lines(file) > CAP} == {}


def test_files_of_the_package_are_short() -> None:
    lengths = [lines(file) for file in package_files()]
    assert statistics.median(lengths) <= FILE_MEDIAN
    assert statistics.quantiles(lengths, n=10, method="inclusive")[-1] <= FILE_P90


def test_functions_of_the_package_are_short() -> None:
    assert statistics.median(function_lengths(package_files())) <= FUNCTION_MEDIAN


def test_the_package_is_where_it_is_looked_for() -> None:
    assert SOURCE / "core" / "errors.py" in package_files()
