"""The robustness gate, as functions: nothing here prints.

``evaluate`` judges two frames of records; ``gate_runs`` finds them, by what the command line takes.
"""

from dmsbench.gate.checks import CheckKind, FlipCount, GateCheck, GateResult
from dmsbench.gate.config import CheckSettings, GateConfig, Limits, Part, Rule, ScoreSettings
from dmsbench.gate.config_file import load_config
from dmsbench.gate.evaluate import evaluate
from dmsbench.gate.flips import Flip, Flips, flips
from dmsbench.gate.limits import Timing
from dmsbench.gate.saved import SavedReference
from dmsbench.gate.sides import Gated, gate_runs, gate_sides, sides

__all__ = [
    "CheckKind",
    "CheckSettings",
    "Flip",
    "FlipCount",
    "Flips",
    "GateCheck",
    "GateConfig",
    "GateResult",
    "Gated",
    "Limits",
    "Part",
    "Rule",
    "SavedReference",
    "ScoreSettings",
    "Timing",
    "evaluate",
    "flips",
    "gate_runs",
    "gate_sides",
    "load_config",
    "sides",
]
