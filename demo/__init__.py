"""The main job on one machine: a sandbox, a real Airflow, and images that climb from dev to prod."""
