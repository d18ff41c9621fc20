#!/bin/sh
# fetch-iso.sh URL FILE CERTIFICATE: downloads an ISO image, and makes sure that it is one, and whole.
#
# CERTIFICATE is `checked` or `any`: what an https server may show.
set -eu

fail() {
    printf 'fetch-iso: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 3 ] || fail "wants URL, FILE and CERTIFICATE"
url=$1
file=$2
case $3 in
    checked) set -- ;;
    any) set -- --no-check-certificate ;;
    *) fail "CERTIFICATE is 'checked' or 'any'" ;;
esac

mkdir -p -- "$(dirname -- "$file")"
rm -f -- "$file"
wget --progress=dot:giga --tries=3 --timeout=60 "$@" -O "$file" -- "$url" || {
    status=$?
    rm -f -- "$file"
    fail "wget ended with $status"
}

# ECMA-119: the first volume descriptor is in sector 16; `CD001` at its byte 1, the volume's length
# in sectors of 2048 bytes at its byte 80.
magic=$(dd if="$file" bs=1 skip=32769 count=5 2>/dev/null | tr -d '\0')
[ "$magic" = CD001 ] || fail "what $url gave is not an ISO 9660 image"
sectors=$(od -An -tu4 -j 32848 -N 4 -- "$file" | tr -d ' ')
bytes=$(stat -c %s -- "$file")
[ "$bytes" -ge $((sectors * 2048)) ] ||
    fail "the image is cut short: $bytes bytes of $((sectors * 2048))"
