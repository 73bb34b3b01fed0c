#!/bin/sh
# The engine on a GPU: checks what it says against transformers' ids and this machine's cores, and times it with random weights
# of an 8B model's shape (test/EngineOnDevice.java). Writes FOLDER/ENGINE.md.
# usage: engine.sh pack PACK         once, where Java and Maven's classes are (mvn -pl worker -am test-compile)
#        engine.sh run FOLDER PACK [WHAT...]     on a machine with a GPU; WHAT: check, ranks, schedules (watched by compute-sanitizer), model
#                                         (beside the cores: SKEIN_JAVA=-Dskein.model=A_FILE_OF_SMOLLM2), host, bench,
#                                         awq, mixtral; check, ranks, host, bench, awq if none
# The kernels are those of SKEIN_FATBIN, or built here if nvcc is there.
here=$(cd "$(dirname "$0")" && pwd)
root=$here/..

pack() {
    [ -x "$JAVA_HOME/bin/jlink" ] || { echo "JAVA_HOME must name a JDK"; exit 1; }
    mkdir -p "$1" && out=$(cd "$1" && pwd) || exit 1
    rm -rf "$out/java" "$out/classes" "$out/jars"
    mkdir -p "$out/classes" "$out/jars"
    for module in native worker; do
        cp -r "$root/$module/target/classes/." "$root/$module/target/test-classes/." "$out/classes/" || exit 1
    done
    rm -rf "$out/classes/native/cuda"
    repository=${MAVEN_REPOSITORY:-$HOME/.m2/repository}
    for artifact in org/slf4j/slf4j-api ch/qos/logback/logback-classic ch/qos/logback/logback-core org/jspecify/jspecify \
        tools/jackson/core/jackson-core tools/jackson/core/jackson-databind com/fasterxml/jackson/core/jackson-annotations; do
        found=$(find "$repository/$artifact" -name "*.jar" ! -name '*sources*' | sort -V | tail -n 1)
        [ -n "$found" ] || { echo "Maven has no $artifact"; exit 1; }
        cp "$found" "$out/jars/"
    done
    "$JAVA_HOME/bin/javac" -nowarn -proc:none -d "$out/classes" -cp "$out/classes:$out/jars/*" "$here/test/EngineOnDevice.java" \
        "$here/test/Schedules.java" || exit 1
    "$JAVA_HOME/bin/jlink" --add-modules java.base,java.xml,java.naming,java.management,jdk.management,jdk.unsupported \
        --strip-debug --no-header-files --no-man-pages --compress zip-9 --vm server --output "$out/java" || exit 1
    du -sh "$out"
}

run() {
    mkdir -p "$1" && out=$(cd "$1" && pwd) || exit 1
    pack=$(cd "$2" && pwd) || exit 1
    shift 2
    [ $# -gt 0 ] || set -- check ranks host bench awq
    if [ -z "$SKEIN_FATBIN" ]; then
        sh "$here/build.sh" "$out/build" || exit 1
        SKEIN_FATBIN=$out/build/skein.fatbin
    fi
    results=$out/ENGINE.md
    {
        echo "## The engine"
        echo "Written by \`engine.sh\` on $(date -u +%Y-%m-%d), $(nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader | head -n 1)."
    } | tee "$results"
    failed=
    for what; do
        echo | tee -a "$results"
        program=EngineOnDevice
        watch=
        if [ "$what" = schedules ]; then
            program=Schedules
            watch="compute-sanitizer --tool memcheck --report-api-errors no --error-exitcode 9"
            command -v compute-sanitizer >/dev/null 2>&1 || { echo "compute-sanitizer is not installed: nobody watches" >&2; watch=; }
        fi
        timeout 300 $watch "$pack/java/bin/java" --enable-native-access=ALL-UNNAMED -XX:+UseParallelGC -Dskein.fatbin="$SKEIN_FATBIN" \
            $SKEIN_JAVA -cp "$pack/classes:$pack/jars/*" "$program" "$what" "${SKEIN_SECONDS:-150}" \
            >"$out/$what.md" 2>"$out/$what.log" || failed="$failed $what"
        # Java's log goes to standard output too.
        grep '^|' "$out/$what.md" | tee -a "$results"
        grep -v '^|' "$out/$what.md" >>"$out/$what.log"
    done
    [ -z "$failed" ] || { for what in $failed; do tail -n 25 "$out/$what.log"; done; echo "failed:$failed"; exit 1; }
}

case $1 in
    pack) pack "$2" ;;
    run) shift && run "$@" ;;
    *) sed -n 's/^# //p' "$0"; exit 2 ;;
esac
