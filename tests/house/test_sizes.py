"""Small modules, small functions, few parameters. The limits stand here and nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house.sources import Module, modules

MODULE_LINES, FUNCTION_LINES, LOOP_LINES, PARAMETERS, POSITIONAL = 350, 60, 100, 8, 2
TRAINING_LOOP = "trifacet/learn/train.py"  # one function there may be as long as LOOP_LINES
FORBIDDEN = {"utils", "util", "common", "helpers", "helper", "base", "manager", "engine", "misc"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(module: Module) -> Iterator[Function]:
    return (node for node in ast.walk(module.tree) if isinstance(node, Function))


def too_long(module: Module) -> list[str]:
    found = [(node.name, (node.end_lineno or 0) - node.lineno + 1) for node in functions(module)]
    long = [(name, n) for name, n in found if n > FUNCTION_LINES]
    if module.name == TRAINING_LOOP and len(long) == 1 and long[0][1] <= LOOP_LINES:
        return []
    return [f"{module.name} {name}: {n} lines" for name, n in long]


def too_many_parameters(module: Module) -> list[str]:
    found = []
    for node in functions(module):
        if node.name.startswith("__") and node.name != "__init__":  # Python gives their parameters
            continue
        positional = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in ("self", "cls")]
        n = len(positional) + len(node.args.kwonlyargs)
        if len(positional) > POSITIONAL or n > PARAMETERS:
            found.append(f"{module.name} {node.name}: {n} parameters, {len(positional)} of them positional")
    return found


def test_modules_are_short() -> None:
    assert [f"{m.name}: {m.n_lines} lines" for m in modules() if m.n_lines > MODULE_LINES] == []


def test_functions_are_short() -> None:
    assert [line for module in modules() for line in too_long(module)] == []


def test_parameters_are_few_and_named_after_the_second() -> None:
    found = [line for m in modules() if not m.name.startswith("trifacet/cli/") for line in too_many_parameters(m)]
    assert found == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [m.name for m in modules() if FORBIDDEN & set(m.name.removesuffix(".py").split("/"))] == []


@pytest.mark.parametrize(
    ("text", "n_findings"),
    [
        pytest.param("def f(a, b, *, c): ...", 0, id="two positional, one named"),
        pytest.param("def f(a, b, c): ...", 1, id="three positional"),
        pytest.param("def f(*, a, b, c, d, e, f, g, h): ...", 0, id="eight named"),
        pytest.param("def f(*, a, b, c, d, e, f, g, h, i): ...", 1, id="nine named"),
        pytest.param("class A:\n    def f(self, a, b): ...", 0, id="a method's self does not count"),
        pytest.param("class A:\n    def __exit__(self, a, b, c): ...", 0, id="Python's own signatures"),
    ],
)
def test_parameters_are_counted(text: str, n_findings: int) -> None:
    assert len(too_many_parameters(Module("trifacet/x.py", 1, ast.parse(text)))) == n_findings


@pytest.mark.parametrize(
    ("name", "lengths", "n_findings"),
    [
        pytest.param("trifacet/x.py", [60], 0, id="sixty lines"),
        pytest.param("trifacet/x.py", [61, 70], 2, id="two too long"),
        pytest.param(TRAINING_LOOP, [100], 0, id="the training loop"),
        pytest.param(TRAINING_LOOP, [101], 1, id="a training loop too long"),
        pytest.param(TRAINING_LOOP, [61, 61], 2, id="two loops"),
    ],
)
def test_function_lines_are_counted(name: str, lengths: list[int], n_findings: int) -> None:
    text = "\n".join(f"def f{i}():\n" + "    pass\n" * (n - 1) for i, n in enumerate(lengths))
    assert len(too_long(Module(name, 1, ast.parse(text)))) == n_findings
