"""The kind cluster of a checkout: its place, its node, its API, and the slots that projects have on it."""
