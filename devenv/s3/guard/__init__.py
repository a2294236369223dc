"""The default S3 server: MiniStack's S3, IAM and STS in one process, behind a gate and a journal.

It runs in an environment of its own (``requirements/s3.lock``), so nothing here imports the rest of
``devenv``; ``python -I devenv/s3/guard <config.json>`` starts it.
"""
