"""S3 behind one interface: the policy, the providers, provisioning."""
