# The Python packages of requirements.lock, in a virtual environment. /work/root/opt/mlip-kmc is bound to /opt/mlip-kmc.
set -eu
. /context/parts/common.sh
rm -rf $prefix/* # pip starts anew: a half-installed environment is of no use
python3 -m venv --without-pip $prefix
PYTHONPATH=/pip python3 -m pip --python $prefix/bin/python install --no-compile --require-hashes --only-binary :all: \
    --progress-bar off -r /context/requirements.lock
find $prefix/lib/python3*/site-packages -depth -type d \( -name tests -o -path '*/ase/test' \) -exec rm -rf {} +
# nobody can write bytecode into a read-only image; some files are no Python, on purpose
$prefix/bin/python -m compileall -q -j 0 $prefix/lib/python3*/site-packages >/dev/null || true
tar -C / --owner=0 --group=0 --numeric-owner --sort=name -cf /work/part.tar opt/mlip-kmc
