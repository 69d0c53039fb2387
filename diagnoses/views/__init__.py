"""The pages of a case. Thin: read the request, call the workflow, render."""
