#!/usr/bin/env bash
# usage: install_tree.sh BUILD_FOLDER SCRATCH_FOLDER
# Installs a build and uses it as others would, from C and C++, by the shared and by the static library:
# through find_package, through pkg-config, and after the install tree has moved.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$1" && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2"

cmake --install "$build" --prefix "$PWD/first" >/dev/null
mv first prefix
prefix=$PWD/prefix
libraries=$(dirname "$(find "$prefix" -name 'libnconv.a')")

echo '== find_package'
cmake -S "$here" -B cmake -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build cmake >/dev/null
for program in cmake/nativeconv_{,static_}{c,cpp}; do "$program"; done

echo '== by hand: C, without a C++ library'
: "${CC:=cc}" "${CXX:=c++}"
case $(uname) in
    Darwin) system=() ;;
    *) system=(-pthread -lm) ;;
esac
"$CC" -std=c99 -Wall -Wextra -Wno-missing-field-initializers -pedantic -DNCONV_STATIC "$here/consumer.c" \
    -I"$prefix/include" "$libraries/libnconv.a" ${system[@]+"${system[@]}"} -o by_hand
./by_hand

command -v pkg-config >/dev/null || { echo '== no pkg-config here' && exit 0; }
echo '== pkg-config'
export PKG_CONFIG_PATH=$libraries/pkgconfig LD_LIBRARY_PATH=$libraries DYLD_LIBRARY_PATH=$libraries
read -ra flags <<<"$(pkg-config --cflags --libs nativeconv)"
"$CC" "$here/consumer.c" "${flags[@]}" -o shared_c
"$CXX" -std=c++17 "$here/consumer.cpp" "${flags[@]}" -o shared_cpp
./shared_c && ./shared_cpp
