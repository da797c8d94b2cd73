# Run once, by the image of PostgreSQL, when its volume is empty: Airflow's database, and that of
# dags/service_catalog_check.py, each with an owner who is no superuser and cannot read the other. The superuser is left
# without a password, so that nobody logs in as one but from within the container.
# The passwords come from the environment, so that no process list shows them.
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set=ON_ERROR_STOP=1 --set=superuser="$POSTGRES_USER" <<'EOF'
\getenv airflow_password POSTGRES_PASSWORD
\getenv service_catalog_password SERVICE_CATALOG_PASSWORD
CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE airflow OWNER airflow;
REVOKE CONNECT ON DATABASE airflow FROM PUBLIC;
CREATE ROLE service_catalog LOGIN PASSWORD :'service_catalog_password';
CREATE DATABASE service_catalog OWNER service_catalog;
REVOKE CONNECT ON DATABASE service_catalog FROM PUBLIC;
REVOKE CONNECT ON DATABASE :"DBNAME" FROM PUBLIC;
ALTER ROLE :"superuser" PASSWORD NULL;
EOF
