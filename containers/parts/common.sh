# What the recipes of the parts share; each sources it. They run in a container of ours:
#   /context   this folder's parent            /site   the machine's mirrors and certificates
#   /sources   the pinned archives, checked    /work   a folder that is kept until the part is done: work goes on in it
. /context/pins.env
. /site/env
export LC_ALL=C.UTF-8 HOME=/work/home TMPDIR=/work/tmp PIP_CONFIG_FILE=/site/pip.conf PIP_DISABLE_PIP_VERSION_CHECK=1
export PIP_ROOT_USER_ACTION=ignore PIP_NO_CACHE_DIR=1 PIP_NO_COLOR=1 PYTHONDONTWRITEBYTECODE=1
mkdir -p "$HOME" "$TMPDIR" /work/root
prefix=/opt/mlip-kmc
site=$prefix/lib/$(python3 -c 'import sys; print(f"python{sys.version_info[0]}.{sys.version_info[1]}")')/site-packages

unpack() { # FILE FOLDER: once
    [ -e "/work/$2.unpacked" ] || {
        rm -rf "/work/${2:?}" && mkdir "/work/$2"
        tar -xf "/sources/$1" -C "/work/$2" --strip-components=1 --no-same-owner
        : >"/work/$2.unpacked"
    }
}

pack() { # /work/root is the part: what is under it goes to / of the image
    cd "/work/root$prefix"
    rm -rf include share/man share/doc lib/pkgconfig lib/cmake
    find . -maxdepth 2 -path './lib/*.a' -delete
    find . -maxdepth 2 \( -path './lib/lib*.so*' -o -path './bin/*' \) -type f -exec strip --strip-unneeded {} + 2>/dev/null || true
    tar -C /work/root --owner=0 --group=0 --numeric-owner --sort=name -cf /work/part.tar opt/mlip-kmc
}
