#!/bin/sh
# Builds the library for the jar, where that can be done; elsewhere says so and leaves the jar without it.
# usage: build.sh OBJECTS_FOLDER CLASSES_FOLDER
objects=$1
target=$2/native/linux-x86_64
without() {
    echo "[native] $1: building without CPU kernels; plain Java will serve, hundreds of times slower"
    rm -f "$target/libskein_cpu.so"
    exit 0
}
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || without "no kernels for $(uname -s) on $(uname -m)"
command -v "${CC:-gcc}" >/dev/null 2>&1 || without "${CC:-gcc} is not installed"
command -v make >/dev/null 2>&1 || without "make is not installed"
cd "$(dirname "$0")" || exit 1
make -s -j"$(nproc)" OUT="$objects" || exit 1
mkdir -p "$target"
cmp -s "$objects/libskein_cpu.so" "$target/libskein_cpu.so" || cp "$objects/libskein_cpu.so" "$target/libskein_cpu.so"
