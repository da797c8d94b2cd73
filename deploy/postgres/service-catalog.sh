# Run once, by the image of PostgreSQL, when its volume is empty: the database of dags/service_catalog_check.py,
# with a user of its own, who cannot read Airflow's.
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set=ON_ERROR_STOP=1 \
    --set=password="$SERVICE_CATALOG_PASSWORD" <<'EOF'
CREATE ROLE service_catalog LOGIN PASSWORD :'password';
CREATE DATABASE service_catalog OWNER service_catalog;
REVOKE CONNECT ON DATABASE airflow FROM PUBLIC;
EOF
