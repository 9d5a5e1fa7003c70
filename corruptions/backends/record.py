"""Which backends there are, what each offers, and whether it is installed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from corruptions.errors import InvalidInputError, MissingBackendError, NotOfferedError, UnknownBackendError

__all__ = ["NATIVE", "Backend", "backend_names", "backend_version", "get_backend"]

NATIVE = "native"
"""The backend that is meant where none is named: this package's own kernels."""

_EXTRA = "pip install 'dmsbench[reference]'"


@dataclass(frozen=True, slots=True)
class Backend:
    """A reference package.

    Attributes:
        name: what `backend=` calls it.
        offers: the corruptions that it can draw, by the catalogue's names.
        profile: the one severity table that it has; None where the question does not arise.
        distribution: the package that is installed, and whose version is recorded.
        modules: what has to be importable.
        install: the commands that install it.
        kernels: the module of this package that calls it; imported on first use.
    """

    name: str
    offers: tuple[str, ...]
    profile: str | None
    distribution: str
    modules: tuple[str, ...]
    install: str
    kernels: str

    @property
    def version(self) -> str:
        """Package and version, such as "nlpaug 1.1.11". MissingBackendError where it cannot be used."""
        # It takes longer to import than the rest of this package's catalogue.
        from importlib import metadata

        try:
            version = metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            raise MissingBackendError(self.name, self.distribution, self.install) from None
        for module in self.modules:
            if find_spec(module) is None:
                raise MissingBackendError(self.name, module, self.install)
        return f"{self.distribution} {version}"

    def check_offers(self, corruption: str) -> None:
        """NotOfferedError for a corruption that it does not have."""
        if corruption not in self.offers:
            raise NotOfferedError(self.name, corruption, self.offers)

    def check_profile(self, profile: str | None) -> None:
        """InvalidInputError for a severity table other than the package's own; None is its own."""
        if profile not in (None, self.profile):
            raise InvalidInputError(
                f"backend {self.name!r} has the table {self.profile!r} only, not {profile!r}; "
                f"use profile {self.profile!r} or backend {NATIVE!r}"
            )

    def load(self) -> Any:
        """The module of its kernels. MissingBackendError where the package cannot be used."""
        return _kernels(self)


@cache
def _kernels(backend: Backend) -> Any:
    # Looking for what is installed costs more than many a corruption.
    _ = backend.version
    return import_module(backend.kernels)


_BACKENDS = {
    backend.name: backend
    for backend in (
        Backend(
            name="imagecorruptions",
            offers=(
                *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
                *("gaussian_blur", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
                *("snow", "frost", "fog", "spatter", "brightness", "contrast", "saturate"),
                *("elastic_transform", "pixelate", "jpeg_compression"),
            ),
            profile="imagenet224",
            distribution="imagecorruptions-imaug",
            modules=("imagecorruptions", "skimage", "scipy", "numba"),
            # Its own requirement, opencv-python, would overwrite the cv2 of opencv-python-headless.
            install=f"{_EXTRA} && pip install --no-deps imagecorruptions-imaug==1.1.5",
            kernels="corruptions.backends.imagecorruptions",
        ),
        Backend(
            name="nlpaug",
            offers=(
                *("keyboard", "ocr", "char_insert", "char_replace", "char_swap", "char_delete"),
                *("spelling", "word_swap", "word_delete", "word_split", "word_mask"),
            ),
            profile=None,
            distribution="nlpaug",
            modules=("nlpaug",),
            install=_EXTRA,
            kernels="corruptions.backends.nlpaug",
        ),
    )
}


def backend_names() -> tuple[str, ...]:
    """Every backend by name, `native` first; installed or not."""
    return (NATIVE, *_BACKENDS)


def get_backend(name: str) -> Backend | None:
    """The reference package of this name, None for `native`. UnknownBackendError if there is none."""
    if name == NATIVE:
        return None
    try:
        return _BACKENDS[name]
    except (KeyError, TypeError):
        raise UnknownBackendError(name, backend_names()) from None


def backend_version(name: str) -> str:
    """What to record of a backend: its package and version, such as "imagecorruptions-imaug 1.1.5".

    "native" for `native`, whose versions are those of the catalogue's entries.
    Raises UnknownBackendError, or MissingBackendError with the commands that install it.
    """
    backend = get_backend(name)
    return NATIVE if backend is None else backend.version
