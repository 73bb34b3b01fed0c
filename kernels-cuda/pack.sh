#!/bin/sh
# Packs Java's tests of the CUDA backend and a small Java into FOLDER, for gpu.sh on a machine that has neither Java nor Maven.
# Needs JAVA_HOME, native's compiled test classes (mvn -pl native -am test-compile) and what Maven fetched for them.
# usage: pack.sh FOLDER
here=$(cd "$(dirname "$0")" && pwd)
root=$here/..
[ -x "$JAVA_HOME/bin/jlink" ] || { echo "JAVA_HOME must name a JDK"; exit 1; }
mkdir -p "$1/classes" "$1/jars" && out=$(cd "$1" && pwd) || exit 1
rm -rf "$out/java" "$out/classes" "$out/jars"
mkdir -p "$out/classes" "$out/jars"
cp -r "$root/native/target/classes/." "$root/native/target/test-classes/." "$out/classes/" || exit 1
rm -rf "$out/classes/native"  # the kernels that gpu.sh builds are used
repository=${MAVEN_REPOSITORY:-$HOME/.m2/repository}
jar() {
    found=$(find "$repository" -name "$1-[0-9]*.jar" ! -name '*sources*' | sort -V | tail -n 1)
    [ -n "$found" ] || { echo "Maven has no $1"; exit 1; }
    cp "$found" "$out/jars/"
}
for name in junit-jupiter-api junit-jupiter-engine junit-jupiter-params junit-platform-commons junit-platform-engine \
    junit-platform-launcher opentest4j apiguardian-api assertj-core byte-buddy slf4j-api logback-classic logback-core jspecify; do
    jar "$name" || exit 1
done
"$JAVA_HOME/bin/javac" -d "$out/classes" -cp "$out/jars/*" "$here/test/OnDevice.java" || exit 1
"$JAVA_HOME/bin/jlink" --add-modules java.base,java.xml,java.naming,java.management,java.instrument,jdk.unsupported \
    --strip-debug --no-header-files --no-man-pages --compress zip-9 --output "$out/java" || exit 1
du -sh "$out"
