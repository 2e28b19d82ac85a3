"""Linear operators: matrices that are known by what they do, not by their elements.

    base.py      LinearOperator: what every method does if a class knows nothing better
    dense.py     of elements: full, lower triangular, Toeplitz
    diagonal.py  diagonal, identity, its multiples, zeros
    composed.py  products, adjoints, inverses
    blocks.py    Kronecker products, block diagonals
    updates.py   low-rank updates, reflections
    circulant.py convolutions with periodic ends
    conjugate_gradient.py solutions by products only

Read next: base.py.
"""
