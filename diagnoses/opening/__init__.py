"""Opening a picture that a stranger sent, in a process that may do nothing else. No Django here.

``pixels`` and ``judging`` do the work, in the process that is ``child``; ``children`` asks it.
"""
