# LAMMPS with ML-PACE, whose ACE evaluator is python-ace's own. Argument: the instruction set.
set -eu
. /context/parts/common.sh
march=$1
unpack "$LAMMPS_FILE" lammps
unpack "$ACE_FILE" ace
cd /work
[ -e lammps/build/build.ninja ] ||
    cmake -G Ninja -S lammps/cmake -B lammps/build -Wno-dev -D CMAKE_BUILD_TYPE=Release \
        -D CMAKE_CXX_FLAGS_RELEASE="-O3 -DNDEBUG -march=$march" -D CMAKE_INSTALL_PREFIX=$prefix \
        -D CMAKE_INSTALL_LIBDIR=lib -D LAMMPS_INSTALL_RPATH=ON -D BUILD_SHARED_LIBS=ON -D BUILD_MPI=OFF \
        -D CMAKE_DISABLE_FIND_PACKAGE_MPI=ON -D BUILD_OMP=OFF -D WITH_JPEG=OFF -D WITH_PNG=OFF -D WITH_GZIP=OFF \
        -D WITH_FFMPEG=OFF -D WITH_CURL=OFF -D PKG_ML-PACE=ON -D PKG_MANYBODY=ON -D PKG_EXTRA-PAIR=ON \
        -D LOCAL_ML-PACE=/context/pace -D ACE_SOURCE=/work/ace \
        -D CMAKE_PROJECT_lammps_INCLUDE=/context/parts/lammps-headers.cmake
ninja -C lammps/build -j "$(nproc)"
rm -rf root && mkdir root
DESTDIR=/work/root ninja -C lammps/build install >install.log
rm -rf root$prefix/share/lammps/potentials root$prefix/share/lammps/tools
mkdir -p root$prefix/licences "root$site"
cp -r lammps/python/lammps "root$site"/ # LAMMPS' own Python module
cp lammps/LICENSE root$prefix/licences/LAMMPS-GPL-2.0.txt
cp ace/LICENSE.md root$prefix/licences/python-ace-ASL-noncommercial.txt
cp ace/lib/ace/LICENSE root$prefix/licences/ACE-library.txt
pack
