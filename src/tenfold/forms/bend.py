"""How a sheet's paper is bent: smooth displacements that no homography has.

Array names carry their axes: N points, K terms of a polynomial.
"""

from dataclasses import dataclass

import numpy as np

from tenfold.forms.reference import Floats

# Degree of the polynomial, by the number of points that it is fitted to.
DEGREES = ((60, 3), (24, 2))
NUM_TERMS = 10
MAX_RESIDUAL_PX, NUM_FITS = 2.5, 3  # a point further off is an outlier in the next fit


@dataclass(frozen=True)
class Bend:
    """Displacements in x and y as polynomials of the place, limited to `most` pixels."""

    size: tuple[int, int]
    terms_K2: Floats
    most: float = 0.0

    @classmethod
    def of_none(cls, size: tuple[int, int]) -> "Bend":
        """That of flat paper."""
        return cls(size, np.zeros((NUM_TERMS, 2)))

    def move(self, points_N2: Floats) -> Floats:
        """Points after the displacement."""
        if not self.most:
            return points_N2
        moves_N2 = self._list_terms(points_N2) @ self.terms_K2
        return np.asarray(points_N2 + np.clip(moves_N2, -self.most, self.most))

    def fit(self, points_N2: Floats, offsets_N2: Floats, most: float) -> "Bend":
        """The bend that also has what was still found off, in the frame of flat paper."""
        degree = next((degree for least, degree in DEGREES if len(points_N2) >= least), 0)
        if not degree:
            return self
        num_terms = (degree + 1) * (degree + 2) // 2
        terms_NK = self._list_terms(points_N2)[:, :num_terms]
        wanted_N2 = self.move(points_N2 + offsets_N2) - points_N2
        is_used_N = np.ones(len(points_N2), bool)
        fitted_K2: Floats = np.zeros((num_terms, 2))
        for _ in range(NUM_FITS):
            found = np.linalg.lstsq(terms_NK[is_used_N], wanted_N2[is_used_N], rcond=None)
            fitted_K2 = np.asarray(found[0], np.float64)
            residuals_N = np.hypot(*(terms_NK @ fitted_K2 - wanted_N2).T)
            is_used_N = residuals_N <= max(MAX_RESIDUAL_PX, 2 * float(np.median(residuals_N)))
        terms_K2 = np.zeros((NUM_TERMS, 2))
        terms_K2[:num_terms] = fitted_K2
        return Bend(self.size, terms_K2, most)

    def _list_terms(self, points_N2: Floats) -> Floats:
        """1, x, y, and their products up to the third degree, of places from -1 to 1."""
        x_N, y_N = (2 * points_N2 / self.size - 1).T
        products = [x_N**i * y_N ** (n - i) for n in range(4) for i in range(n + 1)]
        return np.stack(products, axis=1)
