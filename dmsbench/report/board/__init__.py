"""One leaderboard of the models of several runs: ranks as ranges, from paired comparisons of all models.

``select`` finds the runs, ``merge`` says which may stand together, ``names`` tells models of one name
apart, ``build`` scores and ranks; ``markdown``, ``page``, ``data`` and ``terminal`` show what was found.
"""
