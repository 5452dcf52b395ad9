#!/usr/bin/env bash
# usage: check_library.sh [--package] LIBRARY...      or a folder that holds RID/native/LIBRARY
# Checks what a shared library asks of the system and lets others see: it exports the functions of
# nativeconv.h, needs the C library (on Windows: KERNEL32) only, and is hardened. --package, which a folder
# implies, adds what holds for the files that are shipped: the imports are those of native/cmake/imports,
# nothing is left to strip, no path of the building machine is inside. Names every deviation.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_root=$(cd "$here/../.." && pwd)
newest_glibc=2.17

tool() {
    local name
    for name in "$@"; do command -v "$name" && return 0; done
    echo "check_library.sh: none of these is installed: $*" >&2 && exit 2
}

failures=0
fail() { echo "$library: $*" && failures=$((failures + 1)); }
# expect WHAT TEXT PATTERN, refuse WHAT TEXT PATTERN: the pattern is, or is not, in the text.
expect() { grep -qE -- "$3" <<<"$2" || fail "$1"; }
refuse() {
    local found
    found=$(grep -E -m 3 -- "$3" <<<"$2") && fail "$1: $(tr -s ' \n' ' ' <<<"$found")" || true
}
# same WHAT EXPECTED ACTUAL: two sorted lists, one word a line.
same() {
    local missing extra
    missing=$(comm -23 <(echo "$2") <(echo "$3") | tr '\n' ' ')
    extra=$(comm -13 <(echo "$2") <(echo "$3") | tr '\n' ' ')
    [[ -z ${missing// /} ]] || fail "$1, missing: $missing"
    [[ -z ${extra// /} ]] || fail "$1, not declared: $extra"
}
# only WHAT ALLOWED ACTUAL: nothing that is not in the list.
only() {
    local extra
    extra=$(comm -13 <(echo "$2") <(echo "$3") | tr '\n' ' ')
    [[ -z ${extra// /} ]] || fail "$1: $extra"
}
listed() { grep -v '^#' "$source_root/native/cmake/$1" | awk '{ print $1 }' | LC_ALL=C sort; }
declared() {
    awk '/^NCONV_API/' "$source_root/native/include/nativeconv.h" | grep -o 'nconv_[a-z0-9_]*(' |
        tr -d '(' | LC_ALL=C sort
}

check_elf() {
    local dynamic headers sections notes symbols exported needed versions arm64= musl=
    dynamic=$("$readelf" --dynamic --wide "$library")
    headers=$("$readelf" --program-headers --wide "$library")
    sections=$("$readelf" --sections --wide "$library")
    notes=$("$readelf" --notes --wide "$library" 2>/dev/null)
    symbols=$("$readelf" --dyn-syms --wide "$library" | awk '$5 == "GLOBAL" || $5 == "WEAK"')
    versions=$(grep -oE 'GLIBC_[0-9.]+' <<<"$symbols" | LC_ALL=C sort -uV || true)
    "$readelf" --file-header "$library" | grep -q AArch64 && arm64=1
    grep -q 'libc\.musl' <<<"$dynamic" && musl=1

    exported=$(awk '$7 ~ /^[0-9]+$/ { sub(/@.*/, "", $8); print $8 }' <<<"$symbols" | LC_ALL=C sort)
    same 'exported functions' "$(declared)" "$exported"
    needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic")
    refuse 'needs a library that is not the C library' \
        "$(grep -vE '^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|ld-linux.*|libc\.musl-.*|libc\.so)$' \
            <<<"$needed" || true)" .
    refuse 'has a search path or text relocations' "$dynamic" 'RPATH|RUNPATH|TEXTREL'
    expect 'resolves functions lazily (no BIND_NOW)' "$dynamic" 'BIND_NOW|FLAGS_1.*NOW'
    expect 'can be unloaded under its threads (no NODELETE)' "$dynamic" NODELETE
    expect 'has no RELRO' "$headers" GNU_RELRO
    refuse 'has an executable stack or a segment both writable and executable' "$headers" 'RWE'
    expect 'has no GNU_STACK header' "$headers" GNU_STACK
    expect 'has no build id' "$notes" 'Build ID'
    expect 'has no stack protector' "$symbols" '__stack_chk_fail'
    [[ -n $package ]] || return 0

    refuse 'has a function that runs when it is loaded' "$dynamic" '\(INIT_ARRAY\)'
    only 'imports what is not listed' "$(listed "imports/$([[ $musl ]] && echo musl || echo glibc).txt")" \
        "$(awk '$7 == "UND" { sub(/@.*/, "", $8); print $8 }' <<<"$symbols" | LC_ALL=C sort)"
    [[ -z $versions || $(printf '%s\n' "${versions##*$'\n'}" "GLIBC_$newest_glibc" |
        LC_ALL=C sort -V | tail -1) == "GLIBC_$newest_glibc" ]] ||
        fail "needs ${versions##*$'\n'}, later than GLIBC_$newest_glibc"
    [[ -z $musl || -z $versions ]] || fail 'is for musl but asks for glibc versions'
    if [[ $arm64 ]]; then
        expect 'does not declare BTI and PAC' "$notes" 'BTI.*PAC'
        refuse 'is aligned for pages smaller than 64 KiB' \
            "$(awk '$1 == "LOAD" && $NF != "0x10000"' <<<"$headers")" .
    else
        expect 'does not declare IBT and SHSTK' "$notes" 'IBT.*SHSTK'
    fi
    refuse 'is not stripped' "$sections" '\.symtab|\.debug_'
}

check_pe() {
    local all imports arm64=
    all=$("$readobj" --file-headers --coff-imports --coff-exports --coff-load-config \
        --coff-debug-directory "$library")
    grep -q 'IMAGE_FILE_MACHINE_ARM64' <<<"$all" && arm64=1
    same 'exported functions' "$(declared)" \
        "$(awk '/^Export {/ { e = 1 } e && $1 == "Name:" { print $2; e = 0 }' <<<"$all" | LC_ALL=C sort)"
    imports=$(awk '/^Import {/ { i = 1 } i && $1 == "Name:" { print $2; i = 0 }' <<<"$all" |
        LC_ALL=C sort)
    [[ $(tr a-z A-Z <<<"$imports") == KERNEL32.DLL ]] || fail "needs other libraries than KERNEL32.dll: $imports"
    expect 'has no address space randomisation' "$all" 'IMAGE_DLL_CHARACTERISTICS_DYNAMIC_BASE'
    expect 'has no 64-bit randomisation' "$all" 'IMAGE_DLL_CHARACTERISTICS_HIGH_ENTROPY_VA'
    expect 'may execute data (no NX)' "$all" 'IMAGE_DLL_CHARACTERISTICS_NX_COMPAT'
    [[ -n $package ]] || return 0

    only 'imports what is not listed' "$(listed imports/windows.txt)" \
        "$(awk '/^Import {/,/^}/' <<<"$all" | sed -n 's/.*Symbol: \([A-Za-z]*\).*/\1/p' | LC_ALL=C sort)"
    expect 'has no Control Flow Guard' "$all" 'IMAGE_DLL_CHARACTERISTICS_GUARD_CF'
    expect 'has an empty Control Flow Guard table' "$all" 'GuardCFFunctionCount: [1-9]'
    refuse 'has no stack cookie' "$all" 'SecurityCookie: 0x0$'
    expect 'has no stack cookie' "$all" 'SecurityCookie: 0x'
    expect 'looks for its imports elsewhere than in the system folder' "$all" \
        'DependentLoadFlags: 0x800'
    [[ -n $arm64 ]] || expect 'is not declared fit for shadow stacks (CET)' "$all" \
        'IMAGE_DLL_CHARACTERISTICS_EX_CET_COMPAT'
    expect 'has no version resource' "$(LC_ALL=C tr -d '\0' <"$library" | "$strings" -a)" \
        'VS_VERSION_INFO'
    refuse 'is not stripped' "$("$readobj" --sections "$library")" 'Name: (\.debug_|/[0-9])'
}

# be32 OFFSET: the number there, most significant byte first.
be32() { echo $((16#$(od -v -A n -t x1 -j "$1" -N 4 "$library" | tr -d ' '))); }

# macOS ends a process of arm64 that runs a page whose hash is not the one in the signature. An ad-hoc
# signature holds the hashes and nothing more, and is what the file ends with. Where there is a codesign
# it decides, elsewhere its arithmetic.
check_signature() { # check_signature LOAD_COMMANDS
    local start size directory slots hashes page
    read -r start size <<<"$(awk '/LC_CODE_SIGNATURE/ { n = 1 }
        n && /dataoff/ { start = $2 } n && /datasize/ { print start, $2; n = 0 }' <<<"$1")"
    [[ -n $start ]] || { fail 'has no signature' && return 0; }
    [[ $((start + size)) == $(wc -c <"$library") ]] || fail 'does not end with its signature'
    if command -v codesign >/dev/null; then
        codesign --verify --strict "$library" || fail 'has a broken signature'
        return 0
    fi
    [[ $(be32 "$start") == $((0xfade0cc0)) && $(be32 $((start + 12))) == 0 ]] ||
        { fail 'has a signature of another kind' && return 0; }
    directory=$((start + $(be32 $((start + 16)))))
    slots=$(be32 $((directory + 28)))
    hashes=$((directory + $(be32 $((directory + 16)))))
    page=$(($(be32 $((directory + 36))) & 0xff))
    [[ $(be32 "$directory") == $((0xfade0c02)) && $(be32 $((directory + 32))) == "$start" &&
        $(($(be32 $((directory + 12))) & 2)) == 2 ]] ||
        fail 'has a signature that is not ad hoc or not of the whole file'
    [[ $(od -v -A n -t x1 -w32 -j "$hashes" -N $((32 * slots)) "$library" | tr -d ' ') == \
        "$(head -c "$start" "$library" | split -b $((1 << page)) --filter=sha256sum | cut -c -64)" ]] ||
        fail 'has a signature that does not fit its pages'
}

check_macho() {
    local load exported
    load=$("$otool" -l "$library")
    exported=$("$nm" -gU "$library" | awk '{ sub(/^_/, "", $NF); print $NF }' | LC_ALL=C sort)
    same 'exported functions' "$(declared)" "$exported"
    refuse 'needs a library that is not libSystem' \
        "$(awk '/LC_LOAD_DYLIB/ { n = 1 } n && $1 == "name" { print $2; n = 0 }' <<<"$load" |
            grep -v '^/usr/lib/libSystem\.B\.dylib$' || true)" .
    expect 'has an install name that is no @rpath' \
        "$(awk '/LC_ID_DYLIB/ { n = 1 } n && $1 == "name" { print $2; n = 0 }' <<<"$load")" '^@rpath/'
    refuse 'has a search path' "$load" LC_RPATH
    refuse 'has a segment both writable and executable' "$load" '(max|init)prot (0x0000000[67]|rwx)'
    [[ -n $package ]] || return 0

    expect 'has an install name that is not that of the file' "$load" 'name @rpath/libnconv\.dylib '
    refuse 'has a function that runs when it is loaded' "$load" '__mod_init_func|__init_offsets'
    only 'imports what is not listed' "$({ listed imports/macos.txt && echo dyld_stub_binder; } | LC_ALL=C sort)" \
        "$("$nm" -u "$library" | awk '{ sub(/^_/, "", $NF); print $NF }' | LC_ALL=C sort)"
    expect 'has no stack protector' "$("$nm" -u "$library")" '___stack_chk_fail'
    expect 'is not made for macOS 12.0' "$load" 'minos 12\.0$'
    refuse 'uses register x18, which belongs to the system' \
        "$([[ $library != *arm64* ]] || "$otool" -tV "$library" | grep -wE -m 1 '[wx]18' || true)" .
    refuse 'is not stripped' "$("$nm" -ap "$library")" ' - .* (SO|OSO|FUN) '
    check_signature "$load"
}

check() {
    library=$1
    [[ -f $library ]] || { fail 'does not exist' && return 0; }
    local before=$failures
    strings=$(tool strings llvm-strings-19 llvm-strings)
    case $(od -v -A n -N 4 -t x1 "$library" | tr -d ' ') in
        7f454c46)
            readelf=$(tool readelf llvm-readelf-19 llvm-readelf)
            check_elf
            ;;
        4d5a*)
            readobj=$(tool llvm-readobj-19 llvm-readobj)
            check_pe
            ;;
        cffaedfe) # GNU's nm, which may be the one of that name, does not read these.
            otool=$(tool llvm-otool-19 llvm-otool otool)
            nm=$(tool llvm-nm-19 llvm-nm nm)
            check_macho
            ;;
        *) fail 'is no shared library' ;;
    esac
    if [[ -n $package ]]; then
        refuse 'holds a path of the machine that built it' "$("$strings" -a "$library")" \
            "$source_root|/home/|/Users/|[A-Z]:\\\\"
    fi
    [[ $failures != "$before" ]] || echo "$library: as declared"
}

package= libraries=()
[[ ${1:-} != --package ]] || { package=1 && shift; }
[[ $# != 0 ]] || { sed -n '2,6s/^# //p' "${BASH_SOURCE[0]}" >&2 && exit 2; }
for argument in "$@"; do
    if [[ -d $argument ]]; then
        package=1
        libraries+=("$argument"/*/native/*)
    else
        libraries+=("$argument")
    fi
done

[[ $(declared) == "$(listed exports.txt)" ]] || { library=native/cmake/exports.txt &&
    same 'functions of the header' "$(declared)" "$(listed exports.txt)"; }
for file in "${libraries[@]}"; do check "$file"; done
[[ $failures == 0 ]] || { echo "$failures deviations" && exit 1; }
