"""The commands of ``python -m training``, one module each: ``add`` makes its parser.

Libraries that take seconds to load are imported by the command that needs them, when it runs.
"""
