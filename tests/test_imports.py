"""Who may import whom: one direction of flow, and light imports where pages wait for them."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import ROOT, printed

FOLDERS = ("core", "cache", "jobs", "dashboard")
#: Folders that give no names of their own, but modules.
PLAIN = {"jobs.engine", "jobs.listening", "jobs.sound", "jobs.importing", "jobs.workspace"}
STANDARD = set(sys.stdlib_module_names)

CORE_AT_IMPORT = {"core", "lazy_loader", "numpy", "scipy", "pandas", "sklearn"}
CORE_INSIDE = CORE_AT_IMPORT | {"umap", "openTSNE", "threadpoolctl", "torch"}
#: Folders of core that train.
CORE_WITH_TORCH = {
    f"core.{folder}" for folder in ("training", "zeroshot", "heads", "networks", "contrastive", "losses")
}
#: Compiled loops; every use of them is inside a function.
KERNELS = "kernels"

CACHE = {"cache", "numpy", "pyarrow", "safetensors"}

DASHBOARD_JOBS = {
    "jobs.contrastive_presets",
    "jobs.datasets",
    "jobs.encoders",
    "jobs.engine.live",
    "jobs.engine.queue",
    "jobs.files",
    "jobs.listening",
    "jobs.presets",
    "jobs.sound",
    "jobs.specs",
    "jobs.tasks",
    "jobs.workspace",
}
HEAVY = {
    "dask",
    "distributed",
    "librosa",
    "numba",
    "openTSNE",
    "sentence_transformers",
    "sklearn",
    "torch",
    "transformers",
    "umap",
}


@dataclass(frozen=True)
class Import:
    module: str  # as written, "core.neighbors"; for "from core import neighbors" that as well
    line: int
    inside: bool  # in a function, so not run when the module is imported

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def imports(source: str, package: str) -> list[Import]:
    """List what a source imports; what is only for type checkers is left out."""
    imported: list[Import] = []

    def visit(node: ast.AST, inside: bool) -> None:
        if isinstance(node, ast.Import):
            imported.extend(Import(alias.name, node.lineno, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, base] if base else parent)
            # "from jobs.engine import queue" imports jobs.engine.queue.
            if base in FOLDERS or base in PLAIN:
                imported.extend(Import(f"{base}.{alias.name}", node.lineno, inside) for alias in node.names)
            else:
                imported.append(Import(base, node.lineno, inside))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                visit(child, inside)
            return
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, inside or function)

    visit(ast.parse(source), False)
    return imported


def below(module: str, parents: set[str]) -> bool:
    return any(module == parent or module.startswith(parent + ".") for parent in parents)


def violation(name: str, entry: Import) -> str | None:
    """Say what is wrong with one import of the module `name`, if anything is."""
    folder = name.partition(".")[0]
    if entry.top in STANDARD:
        return None
    if folder == "core":
        allowed = CORE_INSIDE if entry.inside else CORE_AT_IMPORT
        if below(name, CORE_WITH_TORCH) and not name.endswith(".recipe"):
            allowed = allowed | {"torch"}
        if name.endswith(KERNELS):
            allowed = allowed | {"numba"}
        if entry.top not in allowed:
            return f"core may not import {entry.module} {'here' if entry.inside else 'at module level'}"
        if entry.top == "core" and entry.module.endswith(KERNELS) and not entry.inside:
            return "compiled loops are imported inside the function that needs them"
    if folder == "cache" and entry.top not in CACHE:
        return f"cache may not import {entry.module}"
    if folder == "jobs" and entry.top == "dashboard":
        return "jobs may not import dashboard"
    if folder == "dashboard":
        if entry.top == "jobs" and not below(entry.module, DASHBOARD_JOBS):
            return f"dashboard may not import {entry.module}"
        if not entry.inside and entry.top in HEAVY:
            return f"dashboard may not import {entry.module} at module level"
        if below(entry.module, CORE_WITH_TORCH) and not entry.module.endswith(".recipe"):
            return f"dashboard may not import {entry.module}, which imports torch"
    return None


def modules() -> list[tuple[str, Path]]:
    named = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            named.append((".".join(parts), path))
    return named


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda v: v if isinstance(v, str) else "")
def test_imports_go_one_way(name: str, path: Path) -> None:
    package = name.rpartition(".")[0]
    module = name.removesuffix(".__init__")
    wrong = [
        f"{path.relative_to(ROOT)}:{entry.line}: {problem}"
        for entry in imports(path.read_text(encoding="utf-8"), package)
        if (problem := violation(module, entry))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("core.x", "import cache"),
        ("core.x", "import torch"),
        ("core.x", "from umap import UMAP"),
        ("core.x", "def f():\n    from jobs import specs"),
        ("core.x", "def f():\n    import requests"),
        ("core.x", "import numba"),
        ("core.x", "from core.neighbors.kernels import pair_sums"),
        ("cache.x", "import core.neighbors"),
        ("cache.x", "def f():\n    import pandas"),
        ("jobs.x", "from dashboard import state"),
        ("jobs.x", "from ..dashboard import state"),
        ("dashboard.x", "from jobs.engine import dispatcher"),
        ("dashboard.x", "def f():\n    from jobs.engine import shards"),
        ("dashboard.x", "import torch.nn"),
        ("dashboard.x", "class A:\n    import dask"),
        ("dashboard.x", "try:\n    import librosa\nexcept ImportError:\n    pass"),
        ("dashboard.x", "def f():\n    from core import zeroshot"),
    ],
)
def test_the_rules_catch(name: str, source: str) -> None:
    assert any(violation(name, entry) for entry in imports(source, name.rpartition(".")[0]))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("core.x", "def f():\n    from umap import UMAP\n    import torch"),
        ("core.losses.angular", "import torch"),
        ("core.neighbors.kernels", "import numba"),
        ("cache.x", "import json, sqlite3\nimport pyarrow.parquet as pq"),
        ("jobs.x", "import torch, dask, core.neighbors, cache"),
        (
            "dashboard.x",
            "from jobs import specs\nfrom jobs.engine.queue import Job\nfrom jobs.encoders import names",
        ),
        ("dashboard.x", "import streamlit as st\nfrom core.neighbors import knn"),
        ("dashboard.x", "def f():\n    from sklearn.decomposition import PCA"),
        ("dashboard.x", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("dashboard.explore.x", "from ..state import current\nfrom . import explore"),
    ],
)
def test_the_rules_allow(name: str, source: str) -> None:
    assert not any(violation(name, entry) for entry in imports(source, name.rpartition(".")[0]))


@pytest.mark.parametrize(
    "statement",
    [
        "import core.neighbors, core.separability, core.processing, core.projection",
        "import jobs.specs",
    ],
)
def test_what_pages_import_is_light(statement: str) -> None:
    """What an import pulls in behind our own sources counts as well."""
    code = f"import sys\n{statement}\nprint(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    loaded = printed(code).split()
    assert not HEAVY & set(loaded)
    assert "numpy" in loaded or "core" not in statement
