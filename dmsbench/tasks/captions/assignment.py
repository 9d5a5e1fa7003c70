"""Which of two lists' entries belong together."""

from __future__ import annotations

from collections.abc import Sequence


def largest_sum(worth: Sequence[Sequence[int]]) -> int:
    """The largest sum of ``worth[i][j]`` over pairs in which each row and each column occurs once at most.

    ``worth``: a table of numbers, 0 or more, all rows of one length. Kuhn, "The Hungarian method for the
    assignment problem", Naval Res. Logist. Q. 2 (1955), by shortest augmenting paths; it takes
    rows² · columns steps where there are fewer rows than columns.
    """
    if not worth or not worth[0]:
        return 0
    table = worth if len(worth) <= len(worth[0]) else list(zip(*worth, strict=True))
    rows, columns = len(table), len(table[0])
    # Potentials of rows and columns, and each column's row; index 0 stands for none.
    of_row, of_column = [0] * (rows + 1), [0] * (columns + 1)
    held_by = [0] * (columns + 1)
    for row in range(1, rows + 1):
        held_by[0], column = row, 0
        slack: list[float] = [float("inf")] * (columns + 1)
        before = [0] * (columns + 1)
        done = [False] * (columns + 1)
        while held_by[column]:
            done[column] = True
            here, step, nearest = held_by[column], float("inf"), 0
            for other in range(1, columns + 1):
                if done[other]:
                    continue
                cost = -table[here - 1][other - 1] - of_row[here] - of_column[other]
                if cost < slack[other]:
                    slack[other], before[other] = cost, column
                if slack[other] < step:
                    step, nearest = slack[other], other
            for other in range(columns + 1):
                if done[other]:
                    of_row[held_by[other]] += int(step)
                    of_column[other] -= int(step)
                else:
                    slack[other] -= step
            column = nearest
        while column:
            held_by[column] = held_by[before[column]]
            column = before[column]
    return sum(table[row - 1][column] for column, row in enumerate(held_by[1:]) if row)
