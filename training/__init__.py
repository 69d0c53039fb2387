"""From a labelled folder to a bundle: ``python -m training split | fit | export | evaluate``.

No Django here. Pictures are prepared by :func:`mlservice.engine.prepare`, the very function
serving uses.
"""
