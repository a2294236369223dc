"""A local stand-in for GitHub: the sign-in page, the code exchange, and what oauthenticator asks of the API.

The folder runs alone, with the standard library, by ``python -I devenv/github/__main__.py <config.json>``;
nothing here imports the rest of ``devenv``, so that it fits into an image by itself.
"""
