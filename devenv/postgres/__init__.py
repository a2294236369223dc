"""One PostgreSQL server with two databases, run as a plain process.

``binaries`` finds the programs, ``account`` whom they run as, ``cluster`` makes the data folder and the
server's argv, ``stale`` clears what a killed server left behind, ``roles`` provisions, ``ask`` probes.
"""
