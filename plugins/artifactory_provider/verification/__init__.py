"""What must be true of a digest before it may move. Knows no Airflow, and only reads."""
