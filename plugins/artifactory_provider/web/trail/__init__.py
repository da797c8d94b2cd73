"""What Airflow knows of the trail of promotions: events, and the tasks behind records."""
