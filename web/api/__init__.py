"""The HTTP API: questions, digests, trends, feeds, health and metrics."""
