"""Promote Docker images through JFrog Artifactory repositories with Apache Airflow."""

__version__ = "0.1.0.dev0"
