"""The pages of model versions. Every admin may look; admins of no clinic decide."""
