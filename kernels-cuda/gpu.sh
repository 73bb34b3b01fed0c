#!/bin/sh
# On a machine with a GPU: builds the kernels, tests them, has compute-sanitizer watch the tests, times them beside PyTorch's
# calls, and writes FOLDER/RESULTS.md. Needs nvcc 13, Python 3 with NumPy and PyTorch; compute-sanitizer is used where it is.
# usage: gpu.sh FOLDER [PACK]
#   FOLDER  for what is built and for logs
#   PACK    what pack.sh made: Java's tests and a Java to run them
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" && out=$(cd "$1" && pwd) || exit 1
pack=
[ -z "$2" ] || pack=$(cd "$2" && pwd) || exit 1
results=$out/RESULTS.md
failed=

note() { echo "$*" | tee -a "$results"; }
# step NAME COMMAND...: a log of its own, one line in the results.
step() {
    name=$1
    shift
    begun=$(date +%s)
    "$@" >"$out/$name.log" 2>&1
    status=$?
    if [ "$status" = 0 ]; then
        note "| $name | passed | $(($(date +%s) - begun)) s |"
    else
        failed="$failed $name"
        note "| $name | FAILED with $status | $(($(date +%s) - begun)) s |"
        tail -n 30 "$out/$name.log"
    fi
}

: >"$results"
note "# Results"
note "Written by \`gpu.sh\` on $(date -u +%Y-%m-%d), $(nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader | head -n 1),"
note "$(nvcc --version | tail -n 2 | head -n 1), PyTorch $(python3 -c 'import torch; print(torch.__version__)')."
note ""
note "| step | | |"
note "| --- | --- | --- |"
step build sh "$here/build.sh" "$out/build"
[ -f "$out/build/skein.fatbin" ] || { tail -n 20 "$out/build.log"; exit 1; }
export SKEIN_FATBIN="$out/build/skein.fatbin" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
cd "$here/test" || exit 1
step tests timeout 240 python3 -m unittest -v test_kernels
for seed in 2 3; do
    SKEIN_TEST_SEED=$seed step "tests-seed-$seed" timeout 240 python3 -m unittest -v test_kernels
done
step ranks timeout 240 python3 -m unittest -v test_ranks
if [ -n "$pack" ]; then
    mkdir -p "$out/classes/native/cuda" && cp "$SKEIN_FATBIN" "$out/classes/native/cuda/"
    step java timeout 150 "$pack/java/bin/java" --enable-native-access=ALL-UNNAMED -Dskein.libcuda=libcuda.so.1 \
        -cp "$out/classes:$pack/classes:$pack/jars/*" OnDevice
fi
step bench sh -c 'python3 "$0/bench/bench.py" "$SKEIN_FATBIN" >"$1/bench.md"' "$here" "$out"
# The tests ask for kernels that not every device has: that error is none. synccheck follows barriers in shared memory only up to a
# number, so it gets the tests one by one; racecheck does not know what the copy engine and warpgroups do, and gets the others.
watch() {
    limit=$1
    tool=$2
    shift 2
    timeout "$limit" compute-sanitizer --tool "$tool" --report-api-errors no --error-exitcode 9 --target-processes all "$@"
}
if command -v compute-sanitizer >/dev/null 2>&1; then
    step memcheck watch 60 memcheck python3 -m unittest -v test_kernels
    for test in matmul gated_matmul even_gated_matmul experts attention flash sample; do
        step "synccheck-$test" watch 90 synccheck --num-cuda-barriers 65536 python3 -m unittest "test_kernels.KernelTest.test_$test"
    done
    step racecheck watch 40 racecheck python3 -m unittest -v -k sample -k rms_norm -k rope -k embed -k head_norm test_kernels
fi
note ""
tee -a "$results" <"$out/bench.md"
note ""
note "## Registers and shared memory (sm_90a)"
note "| kernel | registers | static shared bytes |"
note "| --- | --- | --- |"
awk '/Compiling entry function/ { name = $(NF - 2); wanted = /sm_90a/ } wanted && /Used [0-9]+ registers/ {
    gsub("[\047]", "", name); shared = 0
    for (i = 2; i <= NF; i++) if ($i ~ /^smem/) shared = $(i - 2)
    for (i = 1; i <= NF; i++) if ($i == "Used") printf "| %s | %s | %s |\n", name, $(i + 1), shared
    wanted = 0 }' "$out/build/ptxas.log" | sort | tee -a "$results"
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
