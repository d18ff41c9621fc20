#!/bin/sh
# deploy-image.sh RESET ESP ISO FOLDER: makes the partition RESET an installer with what is on the
# image ISO, that installs by the files in FOLDER (user-data, meta-data, redeploy.cfg), and leaves the
# EFI system partition ESP empty, so that the next boot is this installer's.
#
# Nothing is formatted before the image has been looked at, and ESP not before RESET is whole.
set -eu
[ "$(id -u)" -eq 0 ] || exec sudo -n sh "$0" "$@"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

fail() {
    printf 'deploy-image: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 4 ] || fail "wants RESET, ESP, ISO and FOLDER"
reset=$1
esp=$2
image=$3
folder=$4
for partition in "$reset" "$esp"; do
    [ -b "$partition" ] || fail "$partition is not a block device"
    format=$(blkid -c /dev/null -p -s TYPE -o value -- "$partition") || format=
    [ "$format" = vfat ] || fail "$partition is not FAT but ${format:-nothing known}: it is not formatted"
done
for file in user-data meta-data redeploy.cfg; do
    [ -f "$folder/$file" ] || fail "$folder has no $file"
done

work=$(mktemp -d)
iso=$work/iso
new=$work/new
mkdir -- "$iso" "$new"
leave() {
    for place in "$new" "$iso"; do
        ! mountpoint -q -- "$place" || umount -- "$place" || :
    done
    rm -f -- "$work/list"
    rmdir -- "$new" "$iso" "$work" || :
}
trap leave EXIT
trap 'exit 1' HUP INT TERM

mount -t iso9660 -o loop,ro,nosuid,nodev -- "$image" "$iso" || fail "$image can't be mounted"
for part in cloud-configs/grub/ sideloads/ casper/vmlinuz casper/initrd; do
    [ -e "$iso/$part" ] || fail "the image has no $part: it is not an OEM image"
done
needed=$(du -s --apparent-size --block-size=1 -- "$iso" | awk '{ printf "%.0f", $1 }')
size=$(blockdev --getsize64 "$reset")
[ "$size" -gt "$needed" ] || fail "$reset is too small: $size bytes, the image needs $needed"
# The table of partitions keeps it when the filesystem is made anew.
partuuid=$(blkid -c /dev/null -p -s PART_ENTRY_UUID -o value -- "$reset") || fail "$reset has no PARTUUID"

# A partition may be mounted in several places; each call undoes one.
release() {
    while findmnt -n -S "$1" >/dev/null; do
        umount -- "$1" || fail "$1 can't be unmounted"
    done
}
release "$reset"
release "$esp"
mkfs.vfat -F 32 -n RESET "$reset" >/dev/null || fail "$reset can't be formatted"
mount -o nosuid,nodev -- "$reset" "$new" || fail "$reset can't be mounted"

# FAT has no links: those on the image are left out. A list, as in a pipe a failed `find` would go
# unseen.
(cd -- "$iso" && find . -type f -print0) >"$work/list"
(cd -- "$iso" && xargs -0 -r -a "$work/list" cp --parents --preserve=timestamps -t "$new" --)
mkdir -p -- "$new/cloud-configs/redeploy" "$new/cloud-configs/grub" "$new/boot/grub"
cp -- "$folder/user-data" "$folder/meta-data" "$new/cloud-configs/redeploy/"
cp -- "$folder/redeploy.cfg" "$new/cloud-configs/grub/redeploy.cfg"
sed "s/RP_PARTUUID/$partuuid/g" "$folder/redeploy.cfg" >"$new/boot/grub/grub.cfg"
sync -f "$new"
umount -- "$new" || fail "$reset can't be unmounted: what was written may not be on it"

mkfs.vfat -F 32 "$esp" >/dev/null || fail "$esp can't be formatted"
