# Sourced by the scripts: sets PYTHON to a Python that runs Zope 6, or says what is missing.
# PYTHON in the environment wins.
supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}; do
    if "$candidate" -c "$supported" 2>/dev/null; then
        PYTHON=$(command -v "$candidate")
        break
    fi
done
if ! "${candidate}" -c "$supported" 2>/dev/null; then
    found=$("${PYTHON:-python3}" --version 2>/dev/null || echo "no Python at all")
    echo "zopestack needs Python 3.11 to 3.14; found $found." >&2
    echo "Install one, or name it: PYTHON=/path/to/python3.13 $0" >&2
    exit 1
fi
