# eOn: its server (Python) and its client, from the pinned source distribution. Argument: the instruction set.
set -eu
. /context/parts/common.sh
march=$1
cd /work
[ -e eon.edited ] || rm -f eon.unpacked # stopped between two edits: from the archive again
unpack "$EON_FILE" eon
[ -e eon.edited ] || { python3 /context/parts/eon-edits eon && : >eon.edited; }
[ -e tools.installed ] || {
    PYTHONPATH=/pip python3 -m pip install -q --target tools --require-hashes --only-binary :all: -r /context/build-tools.lock
    : >tools.installed
}
export PATH=/work/tools/bin:$PATH PYTHONPATH=/work/tools CARGO_HOME=/work/cargo
mkdir -p "$CARGO_HOME" && cp /site/cargo.toml "$CARGO_HOME/config.toml"
# readcon-core (Rust) reads and writes .con files and computes nothing: no optimisation over crates, 16 units side by side
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
export CXXFLAGS="-march=$march -w" CFLAGS="-march=$march -w" FFLAGS="-march=$march"
[ -e eon/build/build.ninja ] || {
    rm -rf eon/build
    meson setup eon/build eon --prefix=$prefix --libdir=lib --buildtype=release \
        -Dpython.purelibdir="$site" -Dpython.platlibdir="$site" -Dwrap_mode=forcefallback -Dwith_tests=false \
        -Dwith_gprd=disabled -Dwith_cuh2=false -Dinih:tests=false -Dinih:distro_install=false
}
ninja -C eon/build -j "$(nproc)"
rm -rf root && mkdir root
DESTDIR=/work/root meson install -C eon/build --strip --no-rebuild
mkdir -p root$prefix/licences
cp eon/LICENSE root$prefix/licences/eOn-BSD-3-Clause.txt
pack
