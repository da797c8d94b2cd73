#!/bin/sh
# The tests run real Docker clients. Install them where that is possible without asking; say so where it is not.
set -eu

missing=
for tool in skopeo buildah podman; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    as_root='sudo -n'
    sudo -n true 2>/dev/null || as_root=no
fi
if command -v apt-get >/dev/null && [ "$as_root" != no ]; then
    printf 'Installing%s for the tests …\n' "$missing" >&2
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 # both are lists of words
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    printf 'Not installed:%s. Install them to run the tests with real Docker clients too.\n' "$missing" >&2
fi
