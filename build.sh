#!/usr/bin/env bash
# Builds, tests and runs NativeConv: puts in order what the CMake presets and the project files
# describe, and sees to what a fresh machine lacks.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
usage='usage: ./build.sh VERB [arguments]

  native    build the C++ library                       arguments for: cmake --build
  build     build all of C++ and C#                     arguments for: dotnet build
  test      C++ tests, NEON tests under qemu, C# tests  arguments for: dotnet test
  demo      build and run the sample                    arguments for: the sample (try --help)
  bench     measure all, write benchmarks/REPORT.md     --quick, --from FOLDER, ... (try --help)
  bench-native   build and run nconv_bench              arguments for: nconv_bench (try --help)
  bench-compare  compare two builds in turn             OLD NEW [--shapes FILE] (try --help)
  pack      build the package in build/package, with the
            library of each platform there is a compiler
            for, checked and run                        arguments: RIDs, like linux-x64 (all)
  pack-native   only the libraries of it                arguments: as for pack
  package-test  pack, and use the package as others do  arguments: RIDs as for pack, then
                                                        those for: the test runner
  bindings  write the C# side of nativeconv.h anew'

# Invariant: the SDK needs no ICU then, which a bare machine lacks.
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
jobs=$(nproc 2>/dev/null || sysctl -n hw.ncpu)
say() { printf '== %s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null; }
has_tools() { has git && has cmake && has c++ && { has ninja || has make; }; }
has_sdk() { (cd "$root" && dotnet --version) >/dev/null 2>&1; }
has_gtest() { c++ -std=c++17 -E -x c++ - <<<'#include <gtest/gtest.h>' >/dev/null 2>&1; }
has_cross() { has aarch64-linux-gnu-g++ && has qemu-aarch64-static; }

# need CHECK HINT PACKAGE...: makes CHECK hold, by apt-get where it may, else the HINT says how.
need() {
    local as_root=(env)
    ! "$1" || return 0
    [[ $(id -u) == 0 ]] || { [[ -t 0 ]] && as_root=(sudo env) || as_root=(sudo -n env); }
    say "missing on this machine, of: ${*:3}"
    ! has apt-get || "${as_root[@]}" apt-get update -qq >&2 || true
    ! has apt-get || "${as_root[@]}" DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "${@:3}" >/dev/null || true
    "$1" || { say "install by: apt-get install ${*:3}, or: $2" && return 1; }
}

# compile PRESET [cmake --build arguments]: only `test` asks for the tests, as they need GoogleTest.
compile() {
    local tests=
    [[ -f $root/build/$1/CMakeCache.txt ]] || tests=OFF
    [[ $verb != test ]] || tests=ON
    ! has ninja || export CMAKE_GENERATOR=Ninja
    (cd "$root" && cmake --preset "$1" --no-warn-unused-cli \
        ${tests:+"-DNATIVECONV_BUILD_TESTS=$tests"} >/dev/null &&
        cmake --build --preset "$1" -j "$jobs" "${@:2}")
}

# step NAME COMMAND...: one part of the tests; its failure does not keep the next from running.
failures=0 summary=()
step() {
    local start=$SECONDS result=passed && say "$1"
    "${@:2}" || { result=FAILED && failures=1; }
    summary+=("$1: $result, $((SECONDS - start)) s")
}
neon_tests() { compile linux-arm64 && ctest --preset linux-arm64 -j "$jobs"; }
run_tests() {
    local neon='NEON tests under qemu'
    trap 'exit 130' INT && cd "$root"
    step 'C++ tests' ctest --preset release -j "$jobs"
    if [[ $(uname -m) == a*64 && $(uname -m) != amd64 ]]; then
        summary+=("$neon: not needed, this is arm64")
    elif need has_cross 'go without' g++-aarch64-linux-gnu qemu-user-static; then
        step "$neon" neon_tests
    else
        summary+=("$neon: SKIPPED, there is no g++-aarch64-linux-gnu with qemu-user-static")
    fi
    step 'C# tests' dotnet test NativeConv.sln -c Release "$@"
    say summary && printf '   %s\n' "${summary[@]}" >&2
    exit "$failures"
}

# Rivals that are not there are not measured; the report says what they need.
build_rivals() {
    say 'rivals, as far as they are here'
    (cmake -S "$root/benchmarks/rivals" -B "$root/build/rivals" &&
        cmake --build "$root/build/rivals" -j "$jobs") >/dev/null || true
    local rival
    for rival in onnxruntime torchsharp; do
        dotnet build "$root/benchmarks/rivals/$rival" -c Release -v quiet -clp:NoSummary >&2 || true
    done
}
bench() {
    local arguments=" $* "
    if [[ $arguments != *' --from'* && $arguments != *'-h'* && $arguments != *' -?'* ]]; then
        compile release --target nconv_bench nativeconv
        dotnet build "$root/benchmarks/NativeConv.Benchmarks" -c Release -v quiet -clp:NoSummary
        [[ $arguments == *' --quick '* ]] || build_rivals
    fi
    report "$@"
}
report() { exec dotnet run --project "$root/benchmarks/NativeConv.Report" -c Release -- "$@"; }

verb=${1:-help}
shift $(($# > 0))
[[ ${1:-} != -- ]] || shift
# shellcheck source=native/package.sh
case $verb in pack*) . "$root/native/package.sh" ;; esac
case $verb in pack | pack-native) known_rids "$@" ;; esac
case $verb in native | build | test | demo | bench | bench-native | pack*)
    need has_tools 'dnf install git cmake gcc-c++ ninja-build' git cmake g++ ninja-build ;;
esac
case $verb in build | test | demo | bench | bench-compare | bindings | pack | package-test)
    has_sdk || PATH=$HOME/.dotnet:$PATH
    need has_sdk 'with curl and ca-certificates installed,
    curl -sSL https://dot.net/v1/dotnet-install.sh | bash -s -- --channel 10.0' dotnet-sdk-10.0 ;;
esac
if [[ $verb == test ]]; then
    # The compiler of macOS does not look where Homebrew puts headers.
    [[ $(uname) != Darwin ]] || ! has brew ||
        export CPATH="$(brew --prefix)/include${CPATH:+:$CPATH}"
    need has_gtest 'dnf install gtest-devel, brew install googletest' libgtest-dev
fi

case $verb in
    native) compile release --target nativeconv "$@" ;;
    build) compile release && dotnet build "$root" -c Release "$@" ;;
    test) compile release && run_tests "$@" ;;
    demo)
        compile release --target nativeconv
        exec dotnet run --project "$root/samples/NativeConv.Demo" -c Release -- "$@"
        ;;
    bench) bench "$@" ;;
    bench-compare) report compare "$@" ;;
    bench-native)
        [[ $# != 0 ]] || set -- --dir=all --batch="$root/tests/shapes/topologies.txt"
        compile release --target nconv_bench
        exec "$root/build/release/benchmarks/native/nconv_bench" "$@"
        ;;
    pack) pack "$@" ;;
    pack-native) pack_native "$@" ;;
    package-test)
        packed=()
        while is_rid "${1:-}"; do packed+=("$1") && shift; done
        pack ${packed[@]+"${packed[@]}"}
        exec dotnet run --project "$root/tests/NativeConv.PackageTests" -c Release \
            ${suffix[@]+"${suffix[@]}"} -- -noColor "$@"
        ;;
    bindings) exec "$root/bindings/generation/generate.sh" "$@" ;;
    help | -h | --help) echo "$usage" ;;
    *) echo "$usage" >&2 && exit 2 ;;
esac
