"""What each service means, whoever runs it: when it is ready, how it is provisioned, what it gives a notebook."""
