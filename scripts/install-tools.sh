#!/bin/sh
# Install the programs that tests and benchmarks run, where that is possible without asking; say so where it is not.
# Usage: install-tools.sh PURPOSE TOOL…, each a program, or PROGRAM:PACKAGE where the package has another name.
set -eu

purpose=$1
shift
# Debian keeps PostgreSQL's server off the path.
for folder in /usr/lib/postgresql/*/bin; do
    PATH=$PATH:$folder
done
missing=
for tool; do
    command -v "${tool%:*}" >/dev/null || missing="$missing ${tool#*:}"
done
[ -n "$missing" ] || exit 0

as_root=env
if [ "$(id -u)" != 0 ]; then
    as_root='sudo -n'
    sudo -n true 2>/dev/null || as_root=no
fi
if command -v apt-get >/dev/null && [ "$as_root" != no ]; then
    printf 'Installing%s for %s …\n' "$missing" "$purpose" >&2
    # The packages of servers start them, unless this file is there: the tests start their own.
    no_services=/usr/sbin/policy-rc.d
    if [ ! -e "$no_services" ]; then
        trap '$as_root rm -f "$no_services"' EXIT
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$no_services" >/dev/null
        $as_root chmod 755 "$no_services"
    fi
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 # both are lists of words
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    printf 'Not installed:%s. Install them, or %s will do without.\n' "$missing" "$purpose" >&2
fi
