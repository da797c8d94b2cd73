"""The commands ``airflow artifactory …``: thin faces of what operators and pages do, too."""
