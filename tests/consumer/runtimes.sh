#!/usr/bin/env bash
# usage: runtimes.sh ASSETS SCRATCH_FOLDER [RID...]
# Links consumer.c with every runtimes/RID/native/LIBRARY of a folder, or those of some RIDs, and with the
# libnconv.a for it, as far as this machine has a compiler for it, and runs it as far as it has a processor
# or an emulator. Says what it left out.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_root=$(cd "$here/../.." && pwd)
assets=$(cd "$1" && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2"
shift 2
[[ $# != 0 ]] || for folder in "$assets"/runtimes/*; do set -- "$@" "${folder##*/}"; done
sysroot=$source_root/build/sysroot
machine=$(uname -sm)

has() { command -v "$1" >/dev/null; }
# Each sets compile (a command for consumer.c and a library) and run (a command before the program's name).
linux() {
    case $machine in
        "Linux $1") compile=(cc) run=() ;;
        *) compile=("$1-linux-gnu-gcc") run=("qemu-$1-static" -L "/usr/$1-linux-gnu") ;;
    esac
    compile+=(-pthread)
}
linux_musl() {
    local headers=$sysroot/usr/include/$1-linux-musl starts=$sysroot/usr/lib/$1-linux-musl
    local libc=$sysroot/lib/$1-linux-musl/libc.so
    if [[ -f /etc/alpine-release ]]; then
        compile=(cc) && return
    fi
    libraries=("$libc" -lgcc)
    [[ -f $libc && -f $starts/crt1.o ]] || { compile=("musl-libc-for-$1") && return; }
    compile=("$1-linux-gnu-gcc")
    has "${compile[0]}" || return 0
    compile+=(-nostdinc -isystem "$headers" -isystem "$("$1-linux-gnu-gcc" -print-file-name=include)"
        -fno-stack-protector -no-pie -nostdlib "$starts/crt1.o" "$starts/crti.o" "$starts/crtn.o"
        "-Wl,-dynamic-linker,/lib/ld-musl-$1.so.1,-rpath-link,$PWD/$rid")
    ln -s "$libc" "$rid/libc.musl-$1.so.1"
    run=("$libc" --library-path "$PWD/$rid")
    [[ $machine == "Linux $1" ]] || run=("qemu-$1-static" "${run[@]}")
}
prepare() {
    compile=() run=() libraries=()
    case $rid in
        linux-x64) linux x86_64 ;;
        linux-arm64) linux aarch64 ;;
        linux-musl-x64) linux_musl x86_64 ;;
        linux-musl-arm64) linux_musl aarch64 ;;
        win-x64) compile=(x86_64-w64-mingw32-gcc) run=(wine) ;;
        win-arm64) compile=(aarch64-w64-mingw32-gcc) run=(wine) ;;
        osx-x64) compile=(clang -arch x86_64 "-Wl,-rpath,$PWD/$rid") run=(arch -x86_64) ;;
        osx-arm64) compile=(clang -arch arm64 "-Wl,-rpath,$PWD/$rid") run=(arch -arm64) ;;
    esac
    case ${OS:-}$rid in Windows_NTwin-*) compile=(gcc) run=() ;; esac
    case $machine$rid in Darwin*) ;; *osx-*) compile=(Mac) ;; esac
}
# Not below build/: a drive of Wine is a link to the root of the system, which whoever lists the repository's files
# would follow, BenchmarkDotNet for one.
WINEPREFIX=$(mktemp -d)
trap 'rm -rf "$WINEPREFIX"' EXIT
export WINEPREFIX WINEDEBUG=-all

failures=0
try() { # try KIND LIBRARY FLAGS...
    local program=$rid/consumer_$1.exe
    if ! has "${compile[0]}"; then
        echo "$rid, $1: not linked, there is no ${compile[0]}"
    elif ! "${compile[@]}" "${@:3}" -I"$source_root/native/include" "$here/consumer.c" "$2" \
        ${libraries[@]+"${libraries[@]}"} -o "$program"; then
        echo "$rid, $1: DOES NOT LINK" && failures=1
    elif [[ ${#run[@]} != 0 ]] && ! has "${run[0]}"; then
        echo "$rid, $1: linked, not run, there is no ${run[0]}"
    else
        LD_LIBRARY_PATH=$PWD/$rid ${run[@]+"${run[@]}"} "./$program" | sed "s/^/$rid, $1: /" ||
            { echo "$rid, $1: FAILS" && failures=1; }
    fi
}

for rid in "$@"; do
    mkdir "$rid"
    cp "$assets/runtimes/$rid"/native/* "$rid/"
    prepare
    try shared "$rid"/*nconv.*
    archive=$assets/static/${rid/-musl/}/libnconv.a # one for glibc and musl
    if [[ -f $archive ]]; then
        case $rid in linux-x64 | linux-arm64) libraries=(-lm) ;; esac
        try static "$archive" -DNCONV_STATIC
    fi
done
exit "$failures"
