#!/bin/sh
# usage: check_shared_library.sh LIBRARY HEADER [READELF]
# The library exports exactly the functions of the header and needs the C library only.
set -eu
library=$1
header=$2
readelf=${3:-readelf}

exported=$("$readelf" --dyn-syms --wide "$library" |
    awk '$7 ~ /^[0-9]+$/ && ($5 == "GLOBAL" || $5 == "WEAK") && $4 != "OBJECT" {
             sub(/@.*/, "", $8); print $8 }' | sort)
objects=$("$readelf" --dyn-syms --wide "$library" |
    awk '$7 ~ /^[0-9]+$/ && ($5 == "GLOBAL" || $5 == "WEAK") && $4 == "OBJECT" { print $8 }')
declared=$(awk '/^NCONV_API/ { print }' "$header" | grep -o 'nconv_[a-z0-9_]*(' | tr -d '(' | sort)
if [ "$exported" != "$declared" ]; then
    echo "exported and declared functions differ:"
    printf '%s\n' "$exported" > "${TMPDIR:-/tmp}/exported.$$"
    printf '%s\n' "$declared" | diff "${TMPDIR:-/tmp}/exported.$$" - || true
    rm -f "${TMPDIR:-/tmp}/exported.$$"
    exit 1
fi
for object in $objects; do
    case $object in
    NATIVECONV_*) ;; # the symbol version itself
    *) echo "exports the object $object"; exit 1 ;;
    esac
done

for needed in $("$readelf" --dynamic --wide "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    case $needed in
    libc.so* | libm.so* | libpthread.so* | ld-linux* | ld-musl* | libc.musl*) ;;
    *) echo "needs $needed"; exit 1 ;;
    esac
done
if "$readelf" --dynamic --wide "$library" | grep -E 'RPATH|RUNPATH|TEXTREL'; then
    echo "carries a search path or text relocations"
    exit 1
fi
if "$readelf" --program-headers --wide "$library" | grep -E 'GNU_STACK.*E'; then
    echo "asks for an executable stack"
    exit 1
fi
echo "$(printf '%s\n' "$exported" | wc -l) functions, nothing else"
