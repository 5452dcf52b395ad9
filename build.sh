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
  package-test  pack, and use the package as others do  arguments for: the test runner
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

# What the package has libraries for.
rids=(linux-x64 linux-arm64 linux-musl-x64 linux-musl-arm64 win-x64 win-arm64 osx-x64 osx-arm64)
sysroot=$root/build/sysroot
known_rids() {
    local rid
    for rid in "$@"; do
        [[ " ${rids[*]} " == *" $rid "* ]] ||
            { say "there is no platform $rid, but there are: ${rids[*]}" && return 2; }
    done
}

# The processor of a RID in the words of compilers.
processor() { case $1 in *x64) echo x86_64 ;; *) echo aarch64 ;; esac; }
# Whether this machine's own compiler makes programs for glibc and that processor.
is_native() { [[ $(uname -sm) == "Linux $1" && $(c++ -dumpmachine) != *musl* ]]; }
missing_tools() { # missing_tools RID: all but musl
    local tools=() tool
    case $1 in
        linux-musl-*) tools=("$(processor "$1")-linux-gnu-g++") ;;
        linux-*) is_native "$(processor "$1")" || tools=("$(processor "$1")-linux-gnu-g++") ;;
        win-x64) tools=(x86_64-w64-mingw32-g++-posix) ;;
        win-arm64) tools=(clang++-19 llvm-dlltool-19 llvm-windres-19) ;;
        osx-*) [[ $(uname) == Darwin ]] || echo 'a Mac with the SDK of macOS' ;;
    esac
    case $1 in win-*) tools+=(ld.lld-19 llvm-objcopy-19 llvm-readobj-19) ;; esac
    for tool in ${tools[@]+"${tools[@]}"}; do has "$tool" || echo "$tool"; done
    [[ $1 != win-arm64 || -f /usr/share/mingw-w64/include/windows.h ]] ||
        echo 'the headers of mingw-w64'
}
packages() { # packages RID: those of Debian with its tools
    case $1 in
        linux-*x64) is_native x86_64 && echo g++ || echo g++-x86-64-linux-gnu ;;
        linux-*arm64) is_native aarch64 && echo g++ || echo g++-aarch64-linux-gnu ;;
        win-x64) echo g++-mingw-w64-x86-64-posix lld-19 llvm-19 ;;
        win-arm64) echo mingw-w64-common clang-19 lld-19 llvm-19 ;;
    esac
}
# need_tools RID: a package that a release does not have costs its own platform only.
need_tools() {
    local rid=$1 names
    read -ra names <<<"$(packages "$rid")"
    [[ ${#names[@]} == 0 ]] || need has_tools_of_rid "go without $rid" "${names[@]}"
}
has_tools_of_rid() { [[ -z $(missing_tools "$rid") ]]; }

# musl's headers and library for a processor, unpacked below build/ and installed nowhere: Debian
# does not let the packages of a foreign processor be seen without making it a part of the system.
# The headers of an installed musl-dev do for the library, but not to run a program with it.
has_musl() { [[ -f $1/include/$2-linux-musl/bits/alltypes.h ]]; }
unpack_musl() { # unpack_musl DEBIAN_NAME PROCESSOR
    local apt=(apt-get -qq -o "APT::Architecture=$1" -o "APT::Architectures=$1"
        -o "Dir::State::Lists=$sysroot/apt-$1" -o "Dir::Cache=$sysroot/apt-$1")
    if has_musl "$sysroot/usr" "$2" && [[ -f $sysroot/lib/$2-linux-musl/libc.so ]]; then return; fi
    has apt-get && has dpkg-deb || return 0
    say "unpacking musl for $1 into build/sysroot"
    mkdir -p "$sysroot/apt-$1/partial" "$sysroot/apt-$1/archives/partial"
    (cd "$sysroot/apt-$1" && "${apt[@]}" update && "${apt[@]}" download musl musl-dev) \
        >/dev/null 2>&1 || true
    local package
    for package in "$sysroot/apt-$1"/musl*.deb; do
        [[ ! -f $package ]] || dpkg-deb -x "$package" "$sysroot"
    done
}

# prepare RID: installs what it takes to build for it, where it can, and prints what is missing.
prepare() {
    [[ $(uname) != Linux ]] || need_tools "$1" || true
    case $1 in
        linux-musl-x64) unpack_musl amd64 x86_64 ;;
        linux-musl-arm64) unpack_musl arm64 aarch64 ;;
    esac
    missing_tools "$1"
    [[ $1 != *musl* ]] || has_musl /usr "$(processor "$1")" ||
        has_musl "$sysroot/usr" "$(processor "$1")" || echo "musl-dev for $(processor "$1")"
}

pack_native() {
    local rid missing built=() absent=()
    [[ $# == 0 ]] || rids=("$@")
    for rid in "${rids[@]}"; do
        missing=$(prepare "$rid" | paste -s -d, -)
        [[ -z $missing ]] || { absent+=("$rid: absent, for want of ${missing//,/, }") && continue; }
        say "$rid"
        compile "$rid" --target nativeconv_package
        built+=("$rid")
    done
    [[ ${#built[@]} != 0 ]] || { printf '%s\n' "${absent[@]}" >&2 && return 1; }
    say 'what they export, need and declare' &&
        "$root/tests/native/check_library.sh" "$root/build/assets/runtimes"
    say 'a C program with each' &&
        "$root/tests/consumer/runtimes.sh" "$root/build/assets" "$root/build/consumer" "${built[@]}"
    say 'libraries in build/assets, in bytes'
    (cd "$root/build/assets" && wc -c runtimes/*/native/*) >&2
    [[ ${#absent[@]} == 0 ]] || printf '   %s\n' "${absent[@]}" >&2
}

# NATIVECONV_ASSETS=ready: the libraries in build/assets are those to pack, as in the release
# workflow. Otherwise those of this run are, and none that an earlier one has left there.
# NATIVECONV_VERSION_SUFFIX=rc.1 makes the package a release candidate.
suffix=(${NATIVECONV_VERSION_SUFFIX:+"-p:VersionSuffix=$NATIVECONV_VERSION_SUFFIX"})
pack() {
    if [[ ${NATIVECONV_ASSETS:-} != ready ]]; then
        rm -rf "$root/build/assets"
        pack_native "$@"
    fi
    compile release --target nativeconv
    dotnet pack "$root/bindings/NativeConv" -c Release ${suffix[@]+"${suffix[@]}"}
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
        pack
        exec dotnet run --project "$root/tests/NativeConv.PackageTests" -c Release \
            ${suffix[@]+"${suffix[@]}"} -- -noColor "$@"
        ;;
    bindings) exec "$root/bindings/generation/generate.sh" "$@" ;;
    help | -h | --help) echo "$usage" ;;
    *) echo "$usage" >&2 && exit 2 ;;
esac
