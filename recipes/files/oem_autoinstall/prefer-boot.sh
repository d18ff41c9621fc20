#!/bin/sh
# prefer-boot.sh WORD: puts the boot entries whose names have WORD before all others, in the order
# that they have. Without such an entry nothing is changed.
set -eu

fail() {
    printf 'prefer-boot: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "wants WORD"
entries=$(efibootmgr) || fail "the boot entries can't be read"
order=$(printf '%s\n' "$entries" | sed -n 's/^BootOrder: //p' | tr ',' ' ')
first=
rest=
for number in $order; do
    if printf '%s\n' "$entries" | grep -F -- "$1" | grep -q "^Boot$number"; then
        first=$first,$number
    else
        rest=$rest,$number
    fi
done
[ -n "$first" ] || exit 0
wanted=$first$rest
efibootmgr --quiet --bootorder "${wanted#,}"
