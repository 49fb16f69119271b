#!/bin/sh
# Makes .venv ready: `scripts/set_up.sh run` for using Mien, `scripts/set_up.sh dev` for its tests too.
# Ready already: ends at once. Otherwise finds a Python and hands over to set_up.py, which writes the stamp at its end.
set -eu
cd "$(dirname "$0")/.."

what=${1:-run}
torch=${MIEN_TORCH:-}

# The stamp holds what set-up was made from (the place too: a moved .venv is broken) and the torch it was asked for.
made_from=$({ pwd; cat pyproject.toml constraints.txt scripts/set_up.py; } | sha256sum | cut -d' ' -f1)
for stamp in ".venv/mien-$what" .venv/mien-dev; do
    if [ -f "$stamp" ] && [ -x .venv/bin/python ]; then
        read -r stamp_from stamp_torch < "$stamp"
        if [ "$stamp_from" = "$made_from" ] && [ "${torch:-$stamp_torch}" = "$stamp_torch" ]; then exit 0; fi
    fi
done

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

found=""
seen=""
for python in ${PYTHON:-python3.11 python3.12 python3}; do
    version=$(version_of "$python")
    seen="$seen $python is ${version:-absent},"
    case $version in
        3.11 | 3.12)
            found=${found:-$python}
            # One that can make a venv is better than one that first needs a package.
            if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
                found=$python
                break
            fi
            ;;
    esac
done

if [ -z "$found" ]; then
    echo "Mien needs Python 3.11 or 3.12; here$seen and nothing else was tried." >&2
    echo "Install one (Debian, Ubuntu: sudo apt-get install -y python3.11 python3.11-venv), or name it: make PYTHON=/path/to/python3.11" >&2
    exit 2
fi
exec "$found" scripts/set_up.py "$what" "$made_from"
