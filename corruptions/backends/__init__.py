"""Reference packages that can draw a corruption in place of this one, under the same names and seeds.

Nothing of theirs is imported before the first call that names a backend; what they draw is a function of
the generator that they are given, although they themselves draw from global ones.
"""

from __future__ import annotations

from corruptions.backends.record import NATIVE, Backend, backend_names, backend_version, get_backend

__all__ = ["NATIVE", "Backend", "backend_names", "backend_version", "get_backend"]
