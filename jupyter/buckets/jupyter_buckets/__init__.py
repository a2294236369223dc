"""S3 buckets beside the local home in JupyterLab's file browser."""

from jupyter_buckets.names import address

__all__ = ["address"]
