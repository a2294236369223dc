"""The local development environment for Habari."""
