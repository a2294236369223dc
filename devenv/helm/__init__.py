"""Helm: which chart, the driver of its command line, and the release of a project."""
