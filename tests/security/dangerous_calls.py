"""What no module of dmsbench may do, found in its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

#: Modules that read pickles, whatever is called of them.
PICKLING = (
    "pickle",
    "cPickle",
    "_pickle",
    "marshal",
    "shelve",
    "joblib",
    "dill",
    "cloudpickle",
    "jsonpickle",
)
#: Calls by their full name.
FORBIDDEN = {
    "os.system": "shell",
    "os.popen": "shell",
    "subprocess.getoutput": "shell",
    "subprocess.getstatusoutput": "shell",
    "asyncio.create_subprocess_shell": "shell",
    "commands.getoutput": "shell",
    "pty.spawn": "shell",
    "eval": "eval",
    "exec": "eval",
    "compile": "eval",
    "builtins.eval": "eval",
    "builtins.exec": "eval",
    "tempfile.mktemp": "mktemp",
    "pandas.read_pickle": "pickle",
    "yaml.unsafe_load": "yaml",
    "yaml.unsafe_load_all": "yaml",
    "yaml.full_load": "yaml",
    "yaml.full_load_all": "yaml",
    "ssl._create_unverified_context": "tls",
}
_RUNNERS = ("run", "call", "check_call", "check_output", "Popen")
_SAFE_LOADERS = ("SafeLoader", "CSafeLoader", "BaseLoader", "CBaseLoader")


@dataclass(frozen=True)
class Finding:
    """A rule that a line breaks."""

    rule: str
    line: int


def findings(source: str) -> list[Finding]:
    """Every dangerous call of a module's source; names are followed through imports and ``as``."""
    tree = ast.parse(source)
    names = _imports(tree)
    safe = _safe_classes(tree, names)
    found = [Finding(rule, node.lineno) for node in ast.walk(tree) for rule in _of_node(node, names, safe)]
    return sorted(set(found), key=lambda one: (one.line, one.rule))


def _imports(tree: ast.AST) -> dict[str, str]:
    """What each name of the module stands for: ``np`` for ``numpy``, ``load`` for ``torch.load``."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                names[one.asname or one.name.partition(".")[0]] = (
                    one.name if one.asname else one.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                names[one.asname or one.name] = f"{node.module}.{one.name}"
    return names


def _safe_classes(tree: ast.AST, names: dict[str, str]) -> set[str]:
    """Classes of the module that are safe loaders of YAML themselves."""
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(_name(base, names).rpartition(".")[2] in _SAFE_LOADERS for base in node.bases)
    }


def _name(node: ast.AST, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value, names)}.{node.attr}"
    return ""


def _of_node(node: ast.AST, names: dict[str, str], safe: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        modules = [one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if any(module.partition(".")[0] in PICKLING for module in modules):
            yield "pickle"
    if isinstance(node, ast.Call):
        yield from _of_call(node, _name(node.func, names), names, safe)
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if _is(key, "trust_remote_code") and _is(value, True):
                yield "remote code"


def _of_call(node: ast.Call, name: str, names: dict[str, str], safe: set[str]) -> Iterator[str]:
    given = {word.arg: word.value for word in node.keywords if word.arg}
    if name in FORBIDDEN:
        yield FORBIDDEN[name]
    if name in ("yaml.load", "yaml.load_all", "yaml.compose", "yaml.compose_all", "yaml.parse", "yaml.scan"):
        loader = given.get("Loader", node.args[1] if len(node.args) > 1 else None)
        if loader is None or (
            _name(loader, names).rpartition(".")[2] not in _SAFE_LOADERS and _name(loader, names) not in safe
        ):
            yield "yaml"
    if name in ("torch.load", "torch.hub.load") and not _is(given.get("weights_only"), True):
        yield "torch.load"
    if name == "numpy.load" and "allow_pickle" in given and not _is(given["allow_pickle"], False):
        yield "pickle"
    if name.rpartition(".")[2] == "read_pickle":
        yield "pickle"
    if name.startswith("subprocess.") and name.rpartition(".")[2] in _RUNNERS:
        command = node.args[0] if node.args else given.get("args")
        if isinstance(command, ast.JoinedStr) or (
            isinstance(command, ast.Constant) and isinstance(command.value, str)
        ):
            yield "shell"
    if "shell" in given and not _is(given["shell"], False):
        yield "shell"
    if _is(given.get("trust_remote_code"), True):
        yield "remote code"
    if _is(given.get("verify"), False):
        yield "tls"
    if name.rpartition(".")[2] == "from_pretrained" and _is(given.get("use_safetensors"), False):
        yield "torch.load"


def _is(node: ast.AST | None, value: object) -> bool:
    return (isinstance(node, ast.Constant) and node.value is value) or (
        isinstance(node, ast.Constant) and isinstance(value, str) and node.value == value
    )
