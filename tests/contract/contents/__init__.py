"""Contents cases on the local disk and in a bucket alike, and what only a bucket can do."""
