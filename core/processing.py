"""From the frames of a model to the vectors that are compared.

The steps have one order, that of `Processing`: frames are aggregated to clips, dimensions are brought to one
range, clips are projected to fewer dimensions, and what is left is scaled to unit length, or scaled before it
is projected. Equal clips stay equal through all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from core.checks import matrix, unit_rows, whole

AGGREGATIONS = ("mean", "median", "max")
SCALES = ("none", "minmax")
#: When vectors are scaled to unit length: never, after PCA, or before it.
NORMALIZATIONS = (False, True, "before")
_BLOCK_ROWS = 8192
_BLOCK_VALUES = 16_000_000  # of frames, looked at at once: 128 MB in float64


def aggregate(frames: ArrayLike, offsets: ArrayLike, how: str = "mean") -> np.ndarray:
    """Compute one vector a clip from its frames.

    Parameters
    ----------
    frames : (m, d) array_like
        Frame embeddings of all clips, one clip after another.
    offsets : (n + 1,) array_like of int
        Clip i has the frames ``frames[offsets[i]:offsets[i + 1]]``; the first is 0, the last m.
    how : {'mean', 'median', 'max'}, default 'mean'
        Taken over the frames, in each dimension by itself.

    Returns
    -------
    (n, d) array
        float32 for float32 frames (a mean is summed in float64), float64 otherwise.

    Raises
    ------
    ValueError
        For an unknown `how`, offsets that do not fit, a frame that is not finite, or a clip without frames.

    Examples
    --------
    >>> aggregate([[0.0, 4.0], [2.0, 0.0], [5.0, 5.0]], [0, 2, 3])
    array([[1., 2.],
           [5., 5.]])
    """
    if how not in AGGREGATIONS:
        raise ValueError(f"how is {how!r}; it must be one of {', '.join(AGGREGATIONS)}.")
    frames = np.asarray(frames)
    if frames.ndim != 2 or frames.size == 0 or frames.dtype.kind not in "biuf":
        raise ValueError(
            f"frames are {frames.dtype} of shape {frames.shape}; they must be (m, d) real numbers, with at "
            "least one row and one column."
        )
    offsets = np.asarray(offsets)
    if offsets.ndim != 1 or len(offsets) < 2 or offsets.dtype.kind not in "iu":
        raise ValueError(
            f"offsets are {offsets.dtype} of shape {offsets.shape}; they must be (n + 1,) whole numbers."
        )
    offsets = offsets.astype(np.int64)
    counts = np.diff(offsets)
    if offsets[0] != 0 or offsets[-1] != len(frames) or counts.min() < 0:
        raise ValueError(
            f"offsets run from {offsets[0]} to {offsets[-1]}; they must rise from 0 to {len(frames)}, "
            "the number of frames."
        )
    if counts.min() == 0:
        raise ValueError(f"Clip {int(np.argmin(counts))} has no frames; leave it out.")
    dtype = np.float32 if frames.dtype == np.float32 else np.float64
    clips = np.empty((len(counts), frames.shape[1]), dtype=dtype)
    rows = max(_BLOCK_VALUES // frames.shape[1], 1)
    start = 0
    while start < len(counts):
        # As many clips as fit, at least one: all frames of a corpus may not fit in memory at once.
        stop = max(int(np.searchsorted(offsets, offsets[start] + rows, side="right")) - 1, start + 1)
        first = offsets[start]
        block = np.ascontiguousarray(frames[first : offsets[stop]], dtype=dtype)
        finite = np.isfinite(block)
        if not finite.all():
            row = int(first) + int(np.argmin(finite.all(axis=1)))
            raise ValueError(f"Row {row} of frames holds NaN or infinity; leave it out or replace the value.")
        clips[start:stop] = _aggregated(block, offsets[start:stop] - first, counts[start:stop], how)
        start = stop
    return clips


def _aggregated(frames: np.ndarray, starts: np.ndarray, counts: np.ndarray, how: str) -> np.ndarray:
    if how == "max":
        return np.maximum.reduceat(frames, starts, axis=0)
    if how == "mean":
        sums = np.add.reduceat(frames, starts, axis=0, dtype=np.float64)
        return sums / counts[:, None]
    medians = np.empty((len(counts), frames.shape[1]), dtype=frames.dtype)
    for count in np.unique(counts):
        clips = np.flatnonzero(counts == count)
        medians[clips] = np.median(
            frames[starts[clips, None] + np.arange(count)], axis=1
        )  # (clips, count, d)
    return medians


def normalize(X: ArrayLike) -> np.ndarray:
    """Scale every row to unit L2 norm; a zero row stays zero.

    Parameters
    ----------
    X : (n, d) array_like

    Returns
    -------
    (n, d) array
        float32 for float32, float64 otherwise.

    Examples
    --------
    >>> normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    X = matrix(X, "X")
    return unit_rows(X).astype(X.dtype)


@dataclass(frozen=True)
class Scaler:
    """The range of every dimension of a corpus, by which other points can be scaled.

    Attributes
    ----------
    low, high : (d,) float64 array
        The smallest and the largest value.
    """

    low: np.ndarray
    high: np.ndarray

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Scale (m, d) points to float64: 0 at the corpus's smallest value, 1 at its largest.

        Points of the corpus are in [0, 1], others may lie outside. A dimension that is the same all over the
        corpus is 0 for every point, also for those that differ in it.
        """
        X = matrix(X, "X")
        if X.shape[1] != len(self.low):
            raise ValueError(f"X has {X.shape[1]} columns; the ranges are of {len(self.low)}.")
        # Halves, since the whole range of float64 would overflow.
        half = self.high / 2 - self.low / 2
        scaled = np.zeros(X.shape)
        np.divide(X / 2 - self.low / 2, half, out=scaled, where=half > 0)
        return scaled


def fit_scaler(X: ArrayLike) -> Scaler:
    """Compute the range of every dimension of a corpus, for min-max scaling.

    Parameters
    ----------
    X : (n, d) array_like

    Returns
    -------
    Scaler

    Raises
    ------
    ValueError
        For values that are not finite.

    References
    ----------
    Freesound scales its features so before it compares sounds: R. O. Araz, D. Bogdanov, P. Alonso-Jiménez
    and F. Font, "Evaluation of deep audio representations for semantic sound similarity", CBMI 2024,
    section II.A.

    Examples
    --------
    >>> scaler = fit_scaler([[0.0, 5.0], [10.0, 5.0], [4.0, 5.0]])
    >>> scaler.transform([[4.0, 5.0], [20.0, 7.0]])
    array([[0.4, 0. ],
           [2. , 0. ]])
    """
    X = matrix(X, "X")
    return Scaler(X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64))


@dataclass(frozen=True)
class Reducer:
    """Principal components of a corpus, by which other points can be projected.

    Attributes
    ----------
    mean : (d,) float64 array
    components : (p, d) float64 array
        Orthonormal rows, the largest variance first. The sign is such that the largest entry is positive.
    variances : (p,) float64 array
        Sample variance (over n - 1) along each component.
    total_variance : float
        Along all d.
    """

    mean: np.ndarray
    components: np.ndarray
    variances: np.ndarray
    total_variance: float

    @property
    def explained(self) -> np.ndarray:
        """Share of the total variance along each component, (p,), in [0, 1]; 0 where all points are equal."""
        return (
            self.variances / self.total_variance if self.total_variance > 0 else np.zeros_like(self.variances)
        )

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Project (m, d) points to (m, p) float64 coordinates; equal points get exactly equal ones."""
        X = matrix(X, "X")
        if X.shape[1] != len(self.mean):
            raise ValueError(f"X has {X.shape[1]} columns; the components are of {len(self.mean)}.")
        coords = np.empty((len(X), len(self.components)))
        for block in _blocks(len(X)):
            coords[block] = (X[block] - self.mean) @ self.components.T
        # What a matrix product adds up in which order depends on where in the block a row stands.
        seen: dict[bytes, int] = {}
        rows = (row.tobytes() for row in X + 0.0)  # -0.0 is 0.0
        first = np.fromiter((seen.setdefault(row, i) for i, row in enumerate(rows)), np.int64, len(X))
        return coords if len(seen) == len(X) else coords[first]

    def keep(self, n_components: int) -> Reducer:
        """Return the same without the components past the first `n_components`.

        Raises
        ------
        ValueError
            For fewer than 1 or more than there are.
        """
        if not 1 <= n_components <= len(self.components):
            raise ValueError(
                f"n_components is {n_components}; there are {len(self.components)} to choose from."
            )
        return replace(
            self, components=self.components[:n_components], variances=self.variances[:n_components]
        )


def fit_reducer(X: ArrayLike, n_components: int) -> Reducer:
    """Compute the principal components of a corpus by a full singular value decomposition in float64.

    The matrix is reduced by QR block by block first, which changes nothing but needs no second copy of it.

    Parameters
    ----------
    X : (n, d) array_like
    n_components : int
        From 1 to min(n, d).

    Returns
    -------
    Reducer
        The same, signs included, each time.

    Raises
    ------
    ValueError
        For components out of range or values that are not finite.

    Examples
    --------
    >>> reducer = fit_reducer([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]], 1)
    >>> reducer.components.round(3)
    array([[0.707, 0.707]])
    >>> reducer.transform([[3.0, 3.0]]).round(3)
    array([[1.414]])
    """
    X = matrix(X, "X")
    n, d = X.shape
    if not whole(n_components):
        raise ValueError(f"n_components is {n_components!r}; it must be a whole number.")
    if not 1 <= n_components <= min(n, d):
        raise ValueError(
            f"n_components is {n_components}; {n} points of {d} dimensions allow 1 to {min(n, d)}."
        )
    from threadpoolctl import threadpool_limits

    mean = X.mean(axis=0, dtype=np.float64)
    triangle: np.ndarray = np.empty((0, d))  # (≤ d, d)
    # Decompositions are thousands of small products: on a busy machine threads would mostly wait.
    with threadpool_limits(1, user_api="blas"):
        for block in _blocks(n):
            triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, X[block] - mean]), mode="r"))
        _, singular, components = np.linalg.svd(triangle, full_matrices=False)
    variances = singular**2 / max(n - 1, 1)
    components = components[:n_components]
    # The first of the entries that are largest but for rounding decides: rounding cannot turn the sign.
    size = np.abs(components)
    decisive = np.argmax(size >= size.max(axis=1, keepdims=True) * (1 - 1e-6), axis=1)
    sign = np.where(components[np.arange(n_components), decisive] < 0, -1.0, 1.0)
    return Reducer(
        mean=mean,
        components=components * sign[:, None],
        variances=variances[:n_components],
        total_variance=float(variances.sum()),
    )


def _blocks(n: int) -> list[slice]:
    return [slice(start, min(start + _BLOCK_ROWS, n)) for start in range(0, n, _BLOCK_ROWS)]


@dataclass(frozen=True)
class Processing:
    """The steps from the frames of a model to vectors, in this order; plain values, to name a result by.

    Parameters
    ----------
    aggregation : {'mean', 'median', 'max'}, default 'mean'
        How frames become a clip.
    n_components : int, optional
        Dimensions kept by PCA, fitted on the corpus; all are kept, unrotated, by default.
    normalize : bool or 'before', default False
        Whether vectors are scaled to unit length: True after PCA, ``"before"`` ahead of it and after `scale`,
        as the code of Araz et al. (raraz15/semantic-sound-similarity, commit 927caed) does since July 2024.
    scale : {'none', 'minmax'}, default 'none'
        Whether every dimension is scaled to [0, 1] by its range in the corpus, before PCA: see `fit_scaler`.

    Examples
    --------
    >>> Processing(n_components=100, scale="minmax").steps
    ('mean over frames', 'min-max scaling', 'PCA to 100 dimensions')
    """

    aggregation: str = "mean"
    n_components: int | None = None
    normalize: bool | str = False
    scale: str = "none"

    def __post_init__(self) -> None:
        for name, allowed in (("aggregation", AGGREGATIONS), ("scale", SCALES)):
            if (value := getattr(self, name)) not in allowed:
                raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}.")
        if self.n_components is not None and self.n_components < 1:
            raise ValueError(f"n_components is {self.n_components}; it must be at least 1, or None for all.")
        if self.normalize not in NORMALIZATIONS:
            raise ValueError(f"normalize is {self.normalize!r}; it must be False, True or 'before'.")

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps in words, in the order they are taken."""
        steps = (
            (f"{self.aggregation} over frames", True),
            ("min-max scaling", self.scale == "minmax"),
            ("unit length", self.normalize == "before"),
            (f"PCA to {self.n_components} dimensions", self.n_components is not None),
            ("unit length", self.normalize not in (False, "before")),
        )
        return tuple(step for step, is_taken in steps if is_taken)

    def obstacle(self, n: int, d: int) -> str | None:
        """Return why a corpus of n clips in d dimensions cannot be processed so; None where it can."""
        p = self.n_components
        if p is None or p <= min(n, d):
            return None
        short = f"the model has {d}" if d < p else f"there are {n} clips"
        return f"PCA to {p} dimensions needs as many dimensions and clips, and {short}"

    def fit(
        self, frames: ArrayLike, offsets: ArrayLike | None = None
    ) -> tuple[np.ndarray, Callable[..., np.ndarray]]:
        """Process a corpus, and return a function that processes queries in the same way.

        Parameters
        ----------
        frames : (m, d) array_like
        offsets : (n + 1,) array_like of int, optional
            As in `aggregate`. Without them every row is a clip, and there is nothing to aggregate.

        Returns
        -------
        corpus : (n, p) array
        process : callable
            ``process(frames, offsets=None)`` -> (k, p); its ranges and its PCA are those of the corpus.

        Raises
        ------
        ValueError
            With `obstacle`, or as `aggregate`.
        """
        clips = self._clips(frames, offsets)
        obstacle = self.obstacle(*clips.shape)
        if obstacle is not None:
            raise ValueError(f"{obstacle}; keep fewer components, or all of them.")
        scaler = fit_scaler(clips) if self.scale == "minmax" else None
        prepared = self.prepare(clips, scaler)
        reducer = None if self.n_components is None else fit_reducer(prepared, self.n_components)

        def process(frames: ArrayLike, offsets: ArrayLike | None = None) -> np.ndarray:
            return self.finish(self.prepare(self._clips(frames, offsets), scaler), reducer)

        return self.finish(prepared, reducer), process

    def prepare(self, X: np.ndarray, scaler: Scaler | None) -> np.ndarray:
        """Take the steps between aggregation and PCA: by the ranges of a corpus, and to unit length."""
        X = X if scaler is None else scaler.transform(X)
        return normalize(X) if self.normalize == "before" else X

    def finish(self, X: np.ndarray, reducer: Reducer | None) -> np.ndarray:
        """Take the steps from PCA on."""
        X = X if reducer is None else reducer.transform(X)
        return normalize(X) if self.normalize not in (False, "before") else X

    def _clips(self, frames: ArrayLike, offsets: ArrayLike | None) -> np.ndarray:
        return matrix(frames, "X") if offsets is None else aggregate(frames, offsets, self.aggregation)
