"""What runs in the hub's own environment: JupyterHub, configured from the values, and its spawner.

Nothing here imports the rest of the toolkit, so that the folder can go into an image by itself. The toolkit
in turn imports :mod:`devenv.hub.settings` alone, which needs the standard library only.
"""
