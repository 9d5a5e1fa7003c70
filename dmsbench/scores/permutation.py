"""The sign-flip permutation test of paired differences, group by group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dmsbench.scores.bootstrap import batches, generator
from dmsbench.scores.rows import FloatArray

EXACT_GROUPS = 12
"""Up to this many groups with a difference, all 2^m sign patterns are enumerated."""
_TIE = 1e-12  # statistics this near (relative to Σ|v|) are equal: floating-point sums of the same terms


def smallest_p(n_groups: int, replicates: int) -> float:
    """The smallest two-sided p that ``sign_flip_tests`` can give on this many groups; 1 for none."""
    if n_groups <= EXACT_GROUPS:
        return 2.0 ** (1 - max(1, n_groups))
    return min(2.0 ** (1 - EXACT_GROUPS), max(1.0 / (1.0 + replicates), 2.0 ** (1 - n_groups)))


def sign_flip_tests(contributions: FloatArray, *, replicates: int, seed: int | Sequence[int]) -> FloatArray:
    """Test the K column sums of (G, K) ``contributions``, one row a group.

    Null hypothesis: within every group the two models are exchangeable, so that a group's contribution
    v[g] to the statistic T = Σ v[g] is as likely as −v[g]. p is the share of sign patterns whose sum is at
    least as far from 0 as T: over all 2^m patterns where m ≤ 12 groups differ from 0 (exact), else over
    random ones, (1 + hits) / (1 + replicates), which is never 0 and keeps the level (Phipson & Smyth,
    Stat. Appl. Genet. Mol. Biol. 9 (2010)). A group that contributes 0 plays no part. All zero: p = 1.
    A large p says that chance explains the difference well enough, not that there is none.

    Returns the K p-values.
    """
    scale = np.abs(contributions).max(axis=0, initial=0.0)
    values = np.where(np.abs(contributions) > _TIE * scale, contributions, 0.0)
    active = np.count_nonzero(values, axis=0)
    sampled = np.flatnonzero(active > EXACT_GROUPS)
    p_values = np.empty(values.shape[1])
    for k in np.flatnonzero(active <= EXACT_GROUPS):
        column = values[:, k]
        p_values[k] = _exact(column[column != 0.0])
    if sampled.size:
        p_values[sampled] = _sampled(values[:, sampled], replicates=replicates, seed=seed)
    return p_values


def _exact(values: FloatArray) -> float:
    patterns = np.arange(2**values.size)[:, None] >> np.arange(values.size) & 1
    totals = (1.0 - 2.0 * patterns) @ values
    return float(np.mean(np.abs(totals) >= _threshold(values)))


def _sampled(values: FloatArray, *, replicates: int, seed: int | Sequence[int]) -> FloatArray:
    values = values[(values != 0.0).any(axis=1)]
    rng = generator(seed)
    total, threshold = values.sum(axis=0), _threshold(values)
    hits = np.zeros(values.shape[1], dtype=np.int64)
    n_bytes = -(-len(values) // 8)
    for batch in batches(len(values), replicates):
        random = np.frombuffer(rng.bytes((batch.stop - batch.start) * n_bytes), dtype=np.uint8)
        flipped = np.unpackbits(random.reshape(-1, n_bytes), axis=1, count=len(values))
        totals = total - 2.0 * (flipped.astype(np.float64) @ values)
        hits += (np.abs(totals) >= threshold).sum(axis=0)
    return ((1.0 + hits) / (1.0 + replicates)).astype(np.float64)


def _threshold(values: FloatArray) -> FloatArray:
    threshold: FloatArray = np.abs(values.sum(axis=0)) - _TIE * np.abs(values).sum(axis=0)
    return threshold
