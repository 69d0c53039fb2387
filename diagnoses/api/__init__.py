"""The API under ``/api/v1``: the same gate, workflow and words as the pages."""
