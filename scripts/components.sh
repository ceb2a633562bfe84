#!/bin/sh
# Builds the components that some tests need besides Python, with pinned versions, in a cache.
#
#   scripts/components.sh                  builds all components that do not exist yet
#   scripts/components.sh --only NAME      builds one of them
#   scripts/components.sh --check          builds nothing, only lists the existing components
#
#   prism             Beam's portable runner, for streaming on one machine
#   pubsub_emulator   a Pub/Sub server in memory, built from tests/pubsub_emulator/
#   avro_tools        Avro for Java, with its command line
#   flink             Beam's job server for Flink 1.19, a jar beside the libraries it loads; it
#                     embeds Flink, and the libraries start a cluster (deploy/flink/pom.xml)
#   spark             the libraries of Spark and its reader of Avro (tests/readers/spark/pom.xml)
#
# Prints a line "NAME PATH" for each existing component. Names the missing ones on stderr, and then
# exits with 1. The cache is ~/.cache/job-status, or the directory in JOB_STATUS_CACHE.
set -eu

root=$(
  self=$0
  while [ -L "$self" ]; do link=$(readlink "$self"); cd "$(dirname "$self")"; self=$link; done
  cd "$(dirname "$self")/.." && pwd -P
)
cache=${JOB_STATUS_CACHE:-${HOME:?}/.cache/job-status}
log=$cache/components.log
# Prism must have the release of apache-beam that pyproject.toml requires.
prism_version=2.77.0
emulator=$root/tests/pubsub_emulator
flink_pom=$root/deploy/flink/pom.xml
spark_pom=$root/tests/readers/spark/pom.xml
avro_version=1.12.0

report() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

usage() {
  report "$*; usage: [--check] [--only prism|pubsub_emulator|avro_tools|flink|spark]"
  exit 2
}

# The version of a component from this checkout is a checksum of its sources.
sum_of() {
  sum=$(cat "$@" | cksum)
  printf '%s\n' "${sum%% *}"
}

path_of() {
  case $1 in
    prism) printf '%s\n' "$cache/prism-$prism_version" ;;
    pubsub_emulator)
      sum=$(sum_of "$emulator/main.go" "$emulator/go.mod" "$emulator/go.sum")
      printf '%s\n' "$cache/pubsub_emulator-$sum"
      ;;
    flink) printf '%s\n' "$cache/flink-$(sum_of "$flink_pom")" ;;
    spark) printf '%s\n' "$cache/spark-$(sum_of "$spark_pom")" ;;
    avro_tools) printf '%s\n' "$cache/avro_tools-$avro_version" ;;
  esac
}

# Builds $1 into the directory $2.
build() {
  case $1 in
    prism)
      GOBIN=$2 go install "github.com/apache/beam/sdks/v2/go/cmd/prism@v$prism_version"
      ;;
    pubsub_emulator) (cd "$emulator" && go build -o "$2/$1" .) ;;
    avro_tools)
      mvn -B -q dependency:copy -Dartifact="org.apache.avro:avro-tools:$avro_version" \
        -DoutputDirectory="$2" -Dmdep.stripVersion=true &&
        chmod +x "$2/avro-tools.jar" && mv "$2/avro-tools.jar" "$2/$1"
      ;;
    flink)
      cp "$flink_pom" "$2/pom.xml" && mvn -B -q -f "$2/pom.xml" package &&
        mkdir "$2/$1" && mv "$2/target/flink-job-server.jar" "$2/target/lib" "$2/$1"
      ;;
    spark)
      cp "$spark_pom" "$2/pom.xml" &&
        mvn -B -q -f "$2/pom.xml" dependency:copy-dependencies -DoutputDirectory="$2/$1"
      ;;
  esac
}

# Prints the tool that builds $1, and how to get it.
tool_of() {
  case $1 in
    avro_tools | flink | spark) printf 'mvn %s\n' 'install Maven' ;;
    *) printf 'go %s\n' 'install Go 1.26 or newer' ;;
  esac
}

# Builds $1 at $2. The rename at the end makes it complete, also if several processes build it.
build_at() {
  tool=$(tool_of "$1")
  if ! command -v "${tool%% *}" >/dev/null; then
    report "cannot build $1: ${tool%% *} is not on PATH; ${tool#* }"
    return 1
  fi
  mkdir -p "$cache" || return 1
  scratch=$(mktemp -d "$cache/building-XXXXXX") || return 1
  report "building $1 (the first time up to ten minutes on two cores)"
  if ! build "$1" "$scratch" >"$log" 2>&1; then
    rm -rf "$scratch"
    why=$(grep -v '^go: downloading' "$log" | tail -n 1 | cut -c 1-200)
    report "cannot build $1${why:+ ($why)}; it needs ${tool%% *} (${tool#* }); the complete log is $log"
    return 1
  fi
  mv "$scratch/$1" "$2"
  rm -rf "$scratch"
}

names='prism pubsub_emulator avro_tools flink spark'
check=
while [ $# -gt 0 ]; do
  case $1 in
    --check) check=yes ;;
    --only)
      [ $# -gt 1 ] || usage '--only needs a name'
      shift
      case " $names " in
        *" $1 "*) names=$1 ;;
        *) usage "unknown component $1" ;;
      esac
      ;;
    *) usage "unknown argument $1" ;;
  esac
  shift
done

status=0
for name in $names; do
  path=$(path_of "$name")
  if [ ! -x "$path" ]; then
    if [ -n "$check" ]; then
      report "$name is missing: build it with scripts/components.sh --only $name"
      status=1
      continue
    fi
    build_at "$name" "$path" || { status=1; continue; }
  fi
  [ "$name" != flink ] || path=$path/flink-job-server.jar
  printf '%s %s\n' "$name" "$path"
done
exit "$status"
