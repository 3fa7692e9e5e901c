"""WHEN: Celery entry points and the one Task wrapper; the composition root of a worker."""
