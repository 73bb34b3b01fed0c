#!/bin/sh
# Builds all kernels into one file, FOLDER/skein.fatbin: machine code for compute capability 8.0 (also 8.6), 8.9 and 9.0, and
# PTX of 8.0 that newer drivers compile for newer GPUs. Fails where a kernel spills registers or uses local memory. Does
# nothing if FOLDER has it of the same sources by the same compiler; where nvcc is missing, says so and does nothing.
# usage: build.sh FOLDER [TARGET]     copies it to the folder TARGET, too, where it is wanted
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" || exit 1
[ -z "$2" ] || { mkdir -p "$2" && target=$(cd "$2" && pwd); } || exit 1
cd "$1" || exit 1
without() {
    echo "[kernels-cuda] $1: building without CUDA kernels"
    rm -f skein.fatbin "${target:-.}/skein.fatbin"
    exit 0
}
hand_out() {
    [ -z "$target" ] || cmp -s skein.fatbin "$target/skein.fatbin" || cp skein.fatbin "$target/skein.fatbin"
}
from_python() {
    python3 -c 'import glob, sys
for folder in sys.path:
    for found in glob.glob(folder + "/nvidia/*/bin/nvcc"):
        print(found)' 2>/dev/null | head -n 1
}
nvcc=${SKEIN_NVCC:-$(command -v nvcc)}
[ -n "$nvcc" ] || { [ -x "$CUDA_HOME/bin/nvcc" ] && nvcc=$CUDA_HOME/bin/nvcc; }
[ -n "$nvcc" ] || nvcc=$(from_python)
[ -n "$nvcc" ] || without "nvcc is not installed (looked in PATH, CUDA_HOME and Python's packages)"
command -v g++ >/dev/null 2>&1 || without "g++, which nvcc needs, is not installed"
version=$("$nvcc" --version 2>&1) || without "$nvcc does not run"
major=$(echo "$version" | sed -n 's/.*release \([0-9]*\)\..*/\1/p')
[ "${major:-0}" -ge 13 ] || without "$nvcc is of CUDA ${major:-unknown}, 13 or newer is needed"

hash=$( (echo "$version"; cat "$here/build.sh" "$here"/src/*) | sha256sum | cut -c1-32)
[ -f skein.fatbin ] && [ "$(cat skein.hash 2>/dev/null)" = "$hash" ] && { hand_out; exit; }
rm -f skein.fatbin skein.hash
# No compression: old drivers cannot undo the newer ways of it, and the jar compresses.
"$nvcc" -std=c++17 -O3 --fatbin --threads 0 -Xptxas -v --compress-mode=none \
    -gencode arch=compute_80,code=sm_80 -gencode arch=compute_89,code=sm_89 -gencode arch=compute_90a,code=sm_90a \
    -gencode arch=compute_80,code=compute_80 \
    -o skein.part "$here/src/all.cu" >ptxas.log 2>&1 || { grep -v "ptxas info" ptxas.log; exit 1; }
# A report is two lines, "Function properties for NAME" and "N bytes stack frame, N bytes spill stores, N bytes spill loads".
awk '/Function properties for/ { name = $NF }
     /bytes stack frame/ { reports++; if ($1 + $5 + $9 > 0) { print "[kernels-cuda] " name ": " $0; bad = 1 } }
     END { if (reports == 0) { print "[kernels-cuda] ptxas reported nothing"; bad = 1 } exit bad }' ptxas.log || exit 1
mv skein.part skein.fatbin && echo "$hash" >skein.hash && hand_out
