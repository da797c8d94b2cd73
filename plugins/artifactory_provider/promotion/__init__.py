"""What promoting means: safe promotions out of an endpoint that overwrites silently. Knows no Airflow."""
