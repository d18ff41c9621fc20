#!/bin/sh
# unpack-qcow2.sh IMAGE: makes a raw image of IMAGE in its place if it is a QEMU disk image.
#
# All others are left as they are: whoever writes the image unpacks it meanwhile.
set -eu

fail() {
    printf 'unpack-qcow2: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "wants IMAGE"
# "QFI", then 0xfb.
[ "$(od -An -tx1 -N4 -- "$1" | tr -d ' \n')" = 514649fb ] || exit 0
command -v qemu-img >/dev/null || fail "$1 is a qcow2 image, and there is no qemu-img to unpack it (package qemu-utils)"

raw=$1.raw
trap 'rm -f -- "$raw"' EXIT
# An image that names another file as its base would show this machine's files.
if qemu-img info -f qcow2 -- "$1" | grep -q '^ *\(backing file\|data file\):'; then
    fail "$1 is a qcow2 image that is based on another file"
fi
qemu-img convert -f qcow2 -O raw -- "$1" "$raw"
mv -- "$raw" "$1"
