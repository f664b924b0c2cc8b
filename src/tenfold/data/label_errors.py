"""Label errors in MNIST's test set, by index from 0.

Five people voted on the labels that confident learning had flagged (C. G. Northcutt, A. Athalye and
J. Mueller, "Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks", 2021,
https://labelerrors.com). For ten images the majority chose another digit, for five no digit.
"""

from collections.abc import Mapping
from types import MappingProxyType

RELABELLED: Mapping[int, int] = MappingProxyType(
    {947: 9, 1621: 6, 1901: 4, 2462: 0, 2597: 3, 3558: 0, 5937: 3, 6651: 6, 6783: 6, 9729: 6}
)
UNDECIDABLE: frozenset[int] = frozenset({2130, 2654, 3520, 8527, 9679})
CONTESTED: frozenset[int] = UNDECIDABLE | RELABELLED.keys()
