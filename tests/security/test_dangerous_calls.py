"""No module reads pickles, calls a shell, evaluates text, trusts code of others or loads YAML unsafely."""

from __future__ import annotations

from pathlib import Path

import pytest
from counted import count
from dangerous_calls import findings

ROOT = Path(__file__).parents[2]
FOLDERS = ("dmsbench", "corruptions", "suites", "benchmarks", ".ci")
#: A line of code, and the rule that it breaks.
WRONG = {
    "import yaml\nyaml.load(text)": "yaml",
    "import yaml\nyaml.load(text, yaml.Loader)": "yaml",
    "import yaml\nyaml.load(text, Loader=yaml.FullLoader)": "yaml",
    "from yaml import load as read\nread(text)": "yaml",
    "import yaml as y\ny.unsafe_load(text)": "yaml",
    "import yaml\nyaml.load_all(text, Loader=yaml.UnsafeLoader)": "yaml",
    "import yaml\nclass Mine(yaml.Loader): ...\nyaml.load(text, Mine)": "yaml",
    "import pickle": "pickle",
    "from pickle import loads": "pickle",
    "import joblib": "pickle",
    "import marshal as m": "pickle",
    "import shelve": "pickle",
    "import dill": "pickle",
    "import cloudpickle": "pickle",
    "import numpy as np\nnp.load(path, allow_pickle=True)": "pickle",
    "import numpy\nnumpy.load(path, allow_pickle=flag)": "pickle",
    "import pandas as pd\npd.read_pickle(path)": "pickle",
    "frame.read_pickle(path)": "pickle",
    "import torch\ntorch.load(path)": "torch.load",
    "import torch\ntorch.load(path, weights_only=False)": "torch.load",
    "import torch\ntorch.load(path, weights_only=flag)": "torch.load",
    "from torch import load\nload(path)": "torch.load",
    "AutoModel.from_pretrained(path, use_safetensors=False)": "torch.load",
    "import os\nos.system('ls')": "shell",
    "from os import system\nsystem(x)": "shell",
    "import os\nos.popen(x)": "shell",
    "import subprocess\nsubprocess.run(['ls'], shell=True)": "shell",
    "import subprocess\nsubprocess.run('ls')": "shell",
    "import subprocess\nsubprocess.Popen(f'ls {x}')": "shell",
    "from subprocess import check_output\ncheck_output(args='ls')": "shell",
    "import subprocess\nsubprocess.getoutput(x)": "shell",
    "run(command, shell=flag)": "shell",
    "eval(text)": "eval",
    "exec(text)": "eval",
    "compile(text, 'x', 'exec')": "eval",
    "import builtins\nbuiltins.eval(text)": "eval",
    "import tempfile\ntempfile.mktemp()": "mktemp",
    "from tempfile import mktemp\nmktemp()": "mktemp",
    "AutoModel.from_pretrained(x, trust_remote_code=True)": "remote code",
    "options = {'trust_remote_code': True}": "remote code",
    "import requests\nrequests.get(url, verify=False)": "tls",
    "import ssl\nssl._create_unverified_context()": "tls",
}
RIGHT = (
    "import yaml\nyaml.safe_load(text)",
    "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)",
    "import yaml\nclass Mine(yaml.SafeLoader): ...\nyaml.compose(text, Loader=Mine)",
    "import torch\ntorch.load(path, weights_only=True)",
    "import numpy as np\nnp.load(path)",
    "import numpy as np\nnp.load(path, allow_pickle=False)",
    "import subprocess\nsubprocess.run(['ls', x])",
    "import subprocess\nsubprocess.run(['ls'], shell=False)",
    "import re\nre.compile(text)",
    "model.eval()",
    "frame.eval('a + b')",
    "AutoModel.from_pretrained(x, trust_remote_code=trusted)",
    "AutoModel.from_pretrained(x, trust_remote_code=False, use_safetensors=True)",
    "import tempfile\ntempfile.mkstemp()",
)


def modules() -> list[Path]:
    found = [path for name in FOLDERS for path in (ROOT / name).rglob("*") if path.is_file()]
    return sorted(
        path
        for path in found
        if path.suffix == ".py"
        or (not path.suffix and path.read_bytes()[:60].split(b"\n")[0].endswith(b"python3"))
    )


@pytest.mark.parametrize(("source", "rule"), WRONG.items())
def test_every_rule_fires(source: str, rule: str) -> None:
    assert [one.rule for one in findings(source)] == [rule]
    count("dangerous lines found")


@pytest.mark.parametrize("source", RIGHT)
def test_what_is_fine_is_not_found(source: str) -> None:
    assert not findings(source)


def test_no_module_does_anything_dangerous() -> None:
    paths = modules()
    assert len(paths) > 200
    found = {}
    for path in paths:
        broken = findings(path.read_text(encoding="utf-8"))
        if broken:
            found[str(path.relative_to(ROOT))] = [(one.line, one.rule) for one in broken]
        count("modules read for dangerous calls")
    assert not found


def test_every_checkpoint_is_loaded_from_safetensors_only() -> None:
    """Each call that reads a model's weights says so itself."""
    seen = 0
    for path in modules():
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if "model_class.from_pretrained(" in line or "Model.from_pretrained(" in line:
                call = " ".join(lines[number : number + 10]).partition("except")[0]
                assert "use_safetensors=True" in call or "**ONLY_SAFE" in call, f"{path}:{number + 1}"
                seen += 1
    assert seen >= 3
