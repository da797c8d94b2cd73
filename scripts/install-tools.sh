#!/bin/sh
# Install the programs that tests and benchmarks run, where that is possible without asking; say so where it is not.
# Usage: install-tools.sh PURPOSE TOOL…
set -eu

purpose=$1
shift
missing=
for tool; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    as_root='sudo -n'
    sudo -n true 2>/dev/null || as_root=no
fi
if command -v apt-get >/dev/null && [ "$as_root" != no ]; then
    printf 'Installing%s for %s …\n' "$missing" "$purpose" >&2
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 # both are lists of words
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    printf 'Not installed:%s. Install them, or %s will do without.\n' "$missing" "$purpose" >&2
fi
