#!/bin/sh
# check-iso.sh FILE: makes sure that a file is an ISO 9660 image, and whole.
set -eu

fail() {
    printf 'check-iso: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "wants FILE"
[ -f "$1" ] || fail "there is no $1"
# ECMA-119: the first volume descriptor is in sector 16; `CD001` at its byte 1, the volume's length
# in sectors of 2048 bytes at its byte 80.
magic=$(dd if="$1" bs=1 skip=32769 count=5 2>/dev/null | tr -d '\0')
[ "$magic" = CD001 ] || fail "what was downloaded is not an ISO 9660 image"
sectors=$(od -An -tu4 -j 32848 -N 4 -- "$1" | tr -d ' ')
bytes=$(stat -c %s -- "$1")
[ "$bytes" -ge $((sectors * 2048)) ] ||
    fail "the image is cut short: $bytes bytes of $((sectors * 2048))"
