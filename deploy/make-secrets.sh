#!/bin/sh
# Writes .env, the one file with every secret of docker-compose.yaml. A file that is there is never changed.
set -eu
umask 077

names="AIRFLOW_ADMIN_PASSWORD FERNET_KEY API_SECRET_KEY JWT_SECRET POSTGRES_PASSWORD SERVICE_CATALOG_PASSWORD
VALKEY_PASSWORD SANDBOX_PASSWORD AIRFLOW_CONN_ARTIFACTORY_DEFAULT"

give_up() {
    echo "make-secrets: $1" >&2
    exit 1
}

# Sets $lacking to the names without a value in .env and in the environment, where Compose looks, too.
look() {
    lacking=
    for name in $names; do
        eval "found=\${$name:-}"
        while [ -z "$found" ] && IFS= read -r line; do
            case $line in "$name="?*) found=$line ;; esac
        done <.env
        [ -n "$found" ] || lacking="$lacking $name"
    done
}

keep() {
    look
    [ -z "$lacking" ] || give_up ".env is there already, but without a value for$lacking. Nothing was changed."
    echo ".env is there already and stays as it is."
    echo "Its keys belong to the data in the volumes: to start over, run 'docker compose down --volumes' and remove .env first."
    exit 0
}

# Sets $value to so many random bytes, as hexadecimal digits. A pipe tells nothing of the tools that failed in it, so
# what has come out is looked at.
make_hex() {
    value=$(dd if=/dev/urandom bs="$1" count=1 2>/dev/null | od -An -v -tx1 | tr -d ' \n') || value=
    case $value in *[!0-9a-f]*) value= ;; esac
    [ "${#value}" -eq $((2 * $1)) ] || give_up "no secret could be made of /dev/urandom with dd, od and tr. Nothing was written."
}

make_fernet_key() {
    value=$(dd if=/dev/urandom bs=32 count=1 2>/dev/null | base64 | tr '+/' '-_' | tr -d '\n') || value=
    case ${value%=} in *[!0-9A-Za-z_-]*) value= ;; esac
    [ "${#value}" -eq 44 ] || give_up "no key could be made of /dev/urandom with dd, base64 and tr. Nothing was written."
}

case $0 in */*) cd "${0%/*}/.." ;; *) cd .. ;; esac
if [ -e .env ] || [ -L .env ]; then keep; fi

make_hex 12
admin_password=$value
make_fernet_key
fernet_key=$value
make_hex 32
api_secret_key=$value
make_hex 64
jwt_secret=$value
make_hex 24
postgres_password=$value
make_hex 24
service_catalog_password=$value
make_hex 24
valkey_password=$value
make_hex 16
sandbox_password=$value

unfinished=".env.unfinished.$$"
trap 'rm -f "$unfinished"' EXIT
printf '%s\n' "# The secrets of docker-compose.yaml: keep this file out of version control, and back it up with the volumes.

# Airflow's login: user \"admin\". Used when the database is first made; later, change it in Airflow.
AIRFLOW_ADMIN_PASSWORD=$admin_password

FERNET_KEY=$fernet_key
API_SECRET_KEY=$api_secret_key
JWT_SECRET=$jwt_secret
POSTGRES_PASSWORD=$postgres_password
SERVICE_CATALOG_PASSWORD=$service_catalog_password
VALKEY_PASSWORD=$valkey_password

# The sandbox registry: user \"admin\". Without the profile it is not started.
COMPOSE_PROFILES=sandbox
SANDBOX_PASSWORD=$sandbox_password

# Where Airflow promotes. For a real Artifactory: its address, a user and an access token, and no profile above.
AIRFLOW_CONN_ARTIFACTORY_DEFAULT='{\"conn_type\": \"artifactory\", \"host\": \"http://sandbox:8081/artifactory\", \"login\": \"admin\", \"password\": \"$sandbox_password\"}'" >"$unfinished"
# A link is made whole or not at all, and never over a file that another run has written meanwhile.
if ! ln "$unfinished" .env 2>/dev/null; then
    if [ -e .env ]; then keep; fi
    mv "$unfinished" .env
fi
[ -f .env ] || give_up ".env could not be written."
echo "Wrote .env: Airflow's user is admin, its password the line AIRFLOW_ADMIN_PASSWORD."
echo "Next: docker compose up --build --detach"
