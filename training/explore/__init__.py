"""What is in a labelled folder: counted, said in sentences and drawn.

:func:`explore` is pure and its result (``shapes``) is plain data: whoever wants the numbers
elsewhere takes ``explore.json``, which is :meth:`Exploration.as_dict`, and draws them anew.
"""

from training.explore.files import Files, measure_files
from training.explore.numbers import explore
from training.explore.page import page, write
from training.explore.shapes import Exploration

__all__ = ["Exploration", "Files", "explore", "measure_files", "page", "write"]
