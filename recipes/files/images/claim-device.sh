#!/bin/sh
# claim-device.sh DEVICE: waits until the card is there, and unmounts what the host has mounted of it.
#
# A card that has just been switched over takes a moment to appear. A desktop then mounts it by
# itself, and writing below a mounted filesystem damages what is written.
set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

fail() {
    printf 'claim-device: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "wants DEVICE"

# A card reader without a card has a node too, of size 0. 30 s at most.
tries=30
until [ -e "$1" ] && [ "$(cat "/sys/class/block/$(basename "$(readlink -f -- "$1")")/size" 2>/dev/null)" != 0 ]; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "$1 did not appear, or has no card, within 30 s"
    sleep 1
done
device=$(readlink -f -- "$1")
# A file may stand for a card.
[ -b "$device" ] || exit 0

is_mounted() {
    while read -r source _; do
        [ "$source" != "$1" ] || return 0
    done </proc/self/mounts
    return 1
}

# By the kernel's list: a pattern such as /dev/loop1* would take /dev/loop10 too.
for path in "$device" /sys/class/block/"${device##*/}"/"${device##*/}"*/partition; do
    case $path in
        */partition)
            path=${path%/partition}
            path=/dev/${path##*/}
            ;;
    esac
    # A filesystem may be mounted in several places; each call undoes one.
    while is_mounted "$path"; do
        if [ "$(id -u)" -eq 0 ]; then umount -- "$path"; else sudo -n umount -- "$path"; fi
    done
done
