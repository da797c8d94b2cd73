"""Links from the Airflow UI to Artifactory."""
