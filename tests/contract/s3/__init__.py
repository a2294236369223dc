"""What AWS documents, held against every S3 provider."""
