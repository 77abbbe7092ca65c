"""Observability: event log and Prometheus metrics."""
