#!/bin/sh
# Builds the kernels for this machine's processor, behind a stand-in for libcuda: FOLDER/libcuda_emulated.so.
# usage: emulator/build.sh FOLDER
here=$(dirname "$0")
out=$1
without() {
    echo "[kernels-cuda] $1: the CUDA kernels are not tested on this machine"
    rm -f "$out/libcuda_emulated.so"
    exit 0
}
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || without "no emulator for $(uname -s) on $(uname -m)"
command -v "${CXX:-g++}" >/dev/null 2>&1 || without "${CXX:-g++} is not installed"
grep -q " fma " /proc/cpuinfo || without "this processor lacks FMA"
mkdir -p "$out" || exit 1
flags="-std=c++20 -O2 -g1 -fPIC -fno-strict-aliasing -ffp-contract=off -mfma -Wall -Wno-unknown-pragmas -Wno-unused-function -DSKEIN_EMULATED -I$here/emulator -I$here -I$here/../src"
hash=$(cat "$here"/*.cpp "$here"/*.h "$here/build.sh" "$here"/../src/*.cu "$here"/../src/*.cuh | sha256sum | cut -c1-16)
[ -f "$out/libcuda_emulated.so" ] && [ "$(cat "$out/emulated.hash" 2>/dev/null)" = "$hash" ] && exit 0
rm -f "$out/emulated.hash"
objects=
jobs=
for source in "$here"/*.cpp "$here"/../src/all.cu; do
    object=$out/emulated-$(basename "$source").o
    objects="$objects $object"
    "${CXX:-g++}" $flags -x c++ -c -o "$object" "$source" &
    jobs="$jobs $!"
done
for job in $jobs; do
    wait "$job" || exit 1
done
"${CXX:-g++}" -shared -Wl,-z,defs -o "$out/libcuda_emulated.so" $objects -pthread && echo "$hash" >"$out/emulated.hash"
