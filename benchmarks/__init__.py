"""Measurements; each runs as a module from the repository's root: ``python -m benchmarks.NAME``.

Run as a file, a script has this folder first on its path, where ``corruptions`` is the benchmark of that name
and not the package.
"""
