#!/usr/bin/env bash
# Makes target/python: an environment of Python with what tests compare us with, in pinned versions. Quiet, and done
# once: a second run with the same list does nothing. Wheels are kept beside pip's own cache, so that a machine which
# has made it once can make it again without a network.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=ci/python.txt
venv=target/python
made="$venv/made-from.txt"
if [ -x "$venv/bin/python" ] && cmp -s "$wanted" "$made"; then
    exit 0
fi

python="${PYTHON:-python3}"
wheels="${XDG_CACHE_HOME:-$HOME/.cache}/callboard-wheels"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

give_up() {
    cat "$log" >&2
    echo >&2
    echo "target/python could not be made: $1" >&2
    echo "$2" >&2
    exit 1
}

if ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' >"$log" 2>&1; then
    give_up "\"$python\" is not a Python 3.10 or newer with venv" \
        "install it (Debian: apt-get install python3-venv), or name another: PYTHON=/path/to/python3 ci/python.sh"
fi

rm -rf "$venv"
mkdir -p target "$wheels"
"$python" -m venv "$venv" >"$log" 2>&1 || give_up "venv failed" "see above"
pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@" >"$log" 2>&1
}
# First without a network; only what is missing is fetched.
if ! pip install --no-index --find-links "$wheels" --requirement "$wanted"; then
    # One of them comes as source alone, of pure Python, and is made a wheel here.
    pip wheel --only-binary :all: --no-binary dkimpy --wheel-dir "$wheels" --requirement "$wanted" ||
        give_up "the packages of $wanted could not be fetched, and $wheels has not all of them" \
            "run ci/python.sh again with a network, or put these wheels into $wheels: $(tr '\n' ' ' <"$wanted")"
    pip install --no-index --find-links "$wheels" --requirement "$wanted" ||
        give_up "the packages of $wanted do not fit together" "see above"
fi
cp "$wanted" "$made"
