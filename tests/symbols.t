#!/bin/sh
# No function of ours has the name of one in a library that the programs are linked with: the library's own calls of it
# would end in ours.  (dkim_header and dkim_eoh once did.)
status=0
command -v nm >/dev/null && command -v ldd >/dev/null || exit 77
ours=$(mktemp) && theirs=$(mktemp) || exit 99
trap 'rm -f "$ours" "$theirs"' EXIT
# only what a linker would put in the place of a library's: global, defined, not from a sanitizer
nm -g --defined-only libvidimus.a libreport.a 2>/dev/null | awk 'NF == 3 && $2 ~ /[TDBR]/ && $3 !~ /^(__|_Z)/ { print $3 }' |
    sort -u >"$ours"
[ -s "$ours" ] || exit 99
for library in $(ldd ./vidimus ./vidimus-milter | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u); do
    nm -D --defined-only "$library" 2>/dev/null | awk 'NF == 3 { sub(/@.*/, "", $3); print $3 }' | sort -u >"$theirs"
    both=$(comm -12 "$ours" "$theirs")
    if [ -n "$both" ]; then
        echo "$library has too:" $both
        status=1
    fi
done
exit $status
