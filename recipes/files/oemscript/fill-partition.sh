#!/bin/sh
# fill-partition.sh PARTITION ISO FOLDER: replaces what is on the recovery partition by what is on the
# ISO image, and adds what is in FOLDER.
#
# Folders named `efi` stay as they are: the board's boot loader is there. FAT has no links: those on
# the image are left out.
set -eu
[ "$(id -u)" -eq 0 ] || exec sudo -n sh "$0" "$@"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

fail() {
    printf 'fill-partition: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 3 ] || fail "wants PARTITION, ISO and FOLDER"
partition=$1
image=$2
folder=$3
[ -b "$partition" ] || fail "$partition is not a block device"
[ -d "$folder" ] || fail "$folder is not a folder"

work=$(mktemp -d)
iso=$work/iso
recovery=$work/recovery
mkdir -- "$iso" "$recovery"
leave() {
    for place in "$recovery" "$iso"; do
        ! mountpoint -q -- "$place" || umount -- "$place" || :
    done
    rm -f -- "$work/list"
    rmdir -- "$recovery" "$iso" "$work" || :
}
trap leave EXIT
trap 'exit 1' HUP INT TERM

mount -t iso9660 -o loop,ro,nosuid,nodev -- "$image" "$iso" || fail "$image can't be mounted"
# Before anything is removed: an image that a board can't boot from would leave it with nothing.
for file in "$iso"/casper/vmlinuz* "$iso"/casper/initrd*; do
    [ -f "$file" ] || fail "the image has no ${file#"$iso"/}: it is not one to install a system from"
done
needed=$(du -s --apparent-size --block-size=1 -- "$iso" "$folder" | awk '{ sum += $1 } END { printf "%.0f", sum }')
size=$(blockdev --getsize64 "$partition")
[ "$size" -gt "$needed" ] || fail "$partition is too small: $size bytes, the image needs $needed"

umount -- "$partition" 2>/dev/null || :
mount -o nosuid,nodev -- "$partition" "$recovery" || fail "$partition can't be mounted"
# Files first, for the room; then the folders that this has emptied.
find "$recovery" -mindepth 1 -name efi -prune -o ! -type d -exec rm -f -- {} +
find "$recovery" -mindepth 1 -depth -type d -empty ! -name efi ! -path '*/efi/*' -delete

# From a list: in a pipe a failed `find` would go unseen.
add() {
    (cd -- "$1" && find . -name efi -prune -o -type f -print0) >"$work/list"
    (cd -- "$1" && xargs -0 -r -a "$work/list" cp --parents --preserve=timestamps -t "$recovery" --)
}
add "$iso"
add "$folder"
sync -f "$recovery"
umount -- "$recovery" || fail "$partition can't be unmounted: what was written may not be on it"
