"""An embedded, Artifactory-compatible Docker registry."""

__version__ = "0.1.0.dev0"
