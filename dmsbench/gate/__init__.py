"""The robustness gate, as functions: nothing here prints.

``evaluate`` judges two frames of records; ``gate_runs`` finds them, by what the command line takes.
"""

from dmsbench.gate.checks import CheckKind, FlipCount, GateCheck, GateResult
from dmsbench.gate.config import CheckSettings, GateConfig, Limits, Part, Rule, ScoreSettings
from dmsbench.gate.config_file import load_config
from dmsbench.gate.evaluate import evaluate
from dmsbench.gate.limits import Timing

__all__ = [
    "CheckKind",
    "CheckSettings",
    "FlipCount",
    "GateCheck",
    "GateConfig",
    "GateResult",
    "Limits",
    "Part",
    "Rule",
    "ScoreSettings",
    "Timing",
    "evaluate",
    "load_config",
]
