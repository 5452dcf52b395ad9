#!/usr/bin/env bash
# usage: reproducible.sh SCRATCH_FOLDER [RID...]
# Packs the committed sources in two folders of different names, for all platforms there is a compiler for
# or for some, and names every file of the package, and every archive, that is not the same in both.
set -euo pipefail
source_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[[ $# != 0 ]] || { sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}" >&2 && exit 2; }
rm -rf "$1" && mkdir -p "$1" && cd "$1"
shift
export CI=true # no path in the assembly either

hashes() { # hashes FOLDER
    git clone -q "$source_root" "$1"
    mkdir "$1/build"
    [[ ! -d $source_root/build/sysroot ]] || cp -r "$source_root/build/sysroot" "$1/build/"
    (cd "$1" && ./build.sh pack "${@:2}") >"$1.log" 2>&1 || { tail -30 "$1.log" >&2 && return 1; }
    mkdir "$1/build/package/content"
    unzip -q "$1"/build/package/*.nupkg -d "$1/build/package/content"
    (cd "$1/build" && find assets package/content -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
}

mkdir another
hashes one "$@" >one.sums
hashes another/longer "$@" >another.sums
diff one.sums another.sums && echo "the same twice: $(wc -l <one.sums) files"
