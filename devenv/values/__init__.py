"""Helm values for the Zero to JupyterHub chart: read, translated, merged, checked, and rendered.

``files`` reads and merges, ``check`` finds what is wrong, and one merged tree is rendered three times:
``hub`` for a hub with no cluster, ``overlay`` for the chart in a local cluster, ``differences`` for people.
"""
