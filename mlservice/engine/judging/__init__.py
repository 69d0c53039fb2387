"""How good a model is on cases whose truth is known, for training and for the clinic alike.

The numbers of a model card, of ``python -m training evaluate`` and of the portal's monitoring are
these functions', so that the same cases give the same numbers wherever they are asked for. Pure
numpy: a web process has no SciPy.
"""
