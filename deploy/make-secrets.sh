#!/bin/sh
# Writes .env, the one file with every secret of docker-compose.yaml. A file that is there is never changed.
set -eu
umask 077

cd "$(dirname "$0")/.."
if [ -e .env ]; then
    echo ".env is there already and stays as it is."
    echo "Its keys belong to the data in the volumes: to start over, run 'docker compose down --volumes' and remove .env first."
    exit 0
fi

hex() {
    dd if=/dev/urandom bs="$1" count=1 2>/dev/null | od -An -v -tx1 | tr -d ' \n'
}
fernet_key() {
    dd if=/dev/urandom bs=32 count=1 2>/dev/null | base64 | tr '+/' '-_' | tr -d '\n'
}

sandbox_password="$(hex 16)"
unfinished=".env.unfinished.$$"
trap 'rm -f "$unfinished"' EXIT
cat >"$unfinished" <<EOF
# The secrets of docker-compose.yaml: keep this file out of version control, and back it up with the volumes.

# Airflow's login: user "admin". Used when the database is first made; later, change it in Airflow.
AIRFLOW_ADMIN_PASSWORD=$(hex 12)

FERNET_KEY=$(fernet_key)
API_SECRET_KEY=$(hex 32)
JWT_SECRET=$(hex 64)
POSTGRES_PASSWORD=$(hex 24)
SERVICE_CATALOG_PASSWORD=$(hex 24)
VALKEY_PASSWORD=$(hex 24)

# The sandbox registry: user "admin". Without the profile it is not started.
COMPOSE_PROFILES=sandbox
SANDBOX_PASSWORD=$sandbox_password

# Where Airflow promotes. For a real Artifactory: its address, a user and an access token, and no profile above.
AIRFLOW_CONN_ARTIFACTORY_DEFAULT='{"conn_type": "artifactory", "host": "http://sandbox:8081/artifactory", "login": "admin", "password": "$sandbox_password"}'
EOF
mv "$unfinished" .env
echo "Wrote .env: Airflow's user is admin, its password the line AIRFLOW_ADMIN_PASSWORD."
echo "Next: docker compose up --build --detach"
