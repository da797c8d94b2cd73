"""Talking to Artifactory: references, manifests, the client and its errors. Knows no Airflow."""
