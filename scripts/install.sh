#!/bin/sh
# Make .venv with everything that is locked, and the two packages of this repository. Does nothing when it is done.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

works() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        works "$PYTHON" || fail "PYTHON=$PYTHON is no Python 3.11, 3.12 or 3.13."
        command -v "$PYTHON"
        return
    fi
    for candidate in python3.11 python3.12 python3.13 python3 python; do
        if command -v "$candidate" >/dev/null && works "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    fail "Python 3.11, 3.12 or 3.13 is needed and none is on the PATH: install one, or name it: make PYTHON=/path/to/python3.11"
}

stamp=.venv/installed
wanted=$(cat requirements.txt requirements-dev.txt pyproject.toml sandbox/pyproject.toml scripts/install.sh | cksum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi

[ -w . ] || fail "$(pwd) cannot be written to: .venv and .demo are made there."
python=$(find_python)
export UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
if command -v uv >/dev/null && uv --version >/dev/null 2>&1; then
    say "Installing into .venv with uv and $python …"
    [ -x .venv/bin/python ] || uv venv --quiet --python "$python" .venv
    uv pip sync --quiet --python .venv/bin/python --require-hashes requirements.txt requirements-dev.txt
    uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable . --editable sandbox
else
    say "Installing into .venv with pip and $python (a few minutes; with uv on the PATH, seconds) …"
    [ -x .venv/bin/python ] || "$python" -m venv .venv ||
        fail "$python cannot make virtual environments: install its venv module (Debian: apt-get install python3-venv)."
    .venv/bin/python -m pip install --quiet --require-hashes -r requirements.txt -r requirements-dev.txt
    .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable . --editable sandbox
fi
printf '%s' "$wanted" >"$stamp"
say "Installed."
