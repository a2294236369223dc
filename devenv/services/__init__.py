"""What each service means, whoever runs it: ready, provisioned, and what it gives a notebook."""
