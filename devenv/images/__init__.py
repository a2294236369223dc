"""The images: what they are made of, and how they are built, from a registry or from package mirrors."""
