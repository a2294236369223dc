"""Where services run. Runtimes never import one another."""
