"""Learning from the clinic: what patients agreed to, as a folder that ``python -m training`` takes.

``which`` picks the pictures and their labels, ``pseudonyms`` names them, ``folder`` writes them,
``making`` is the worker's part, ``asking`` the admin's, ``withdrawing`` what follows when somebody
takes the consent back.
"""

from diagnoses.learning.asking import ask, clean_up, take, wanted_twice
from diagnoses.learning.making import NotNowError, make_due, sweep, write_out
from diagnoses.learning.summary import Summary, summarise
from diagnoses.learning.withdrawing import take_out

__all__ = [
    "NotNowError",
    "Summary",
    "ask",
    "clean_up",
    "make_due",
    "summarise",
    "sweep",
    "take",
    "take_out",
    "wanted_twice",
    "write_out",
]
