"""Comparing programs and models: examples, metrics, statistics, reports."""
