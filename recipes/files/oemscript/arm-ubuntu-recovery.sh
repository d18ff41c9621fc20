#!/bin/sh
# arm-ubuntu-recovery.sh PARTITION: makes the installation on the recovery partition end in a reboot,
# labels it as the installer looks for it, and prints the UUID of its filesystem.
set -eu
[ "$(id -u)" -eq 0 ] || exec sudo -n sh "$0" "$@"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

fail() {
    printf 'arm-ubuntu-recovery: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "wants PARTITION"
partition=$1
[ -b "$partition" ] || fail "$partition is not a block device"

work=$(mktemp -d)
leave() {
    ! mountpoint -q -- "$work" || umount -- "$work" || :
    rmdir -- "$work" || :
}
trap leave EXIT
trap 'exit 1' HUP INT TERM
mount -o nosuid,nodev -- "$partition" "$work" || fail "$partition can't be mounted"
answers=$work/preseed/project.cfg
[ -f "$answers" ] || fail "the image has no preseed/project.cfg: it is not one for this way"
# Twice does no harm: the lines are taken out before they are put in.
sed '/ubiquity\/\(reboot\|poweroff\)[[:space:]]/d' "$answers" >"$answers.new"
printf '%s\n' 'ubiquity ubiquity/reboot boolean true' 'ubiquity ubiquity/poweroff boolean false' >>"$answers.new"
mv -f -- "$answers.new" "$answers"
umount -- "$work" || fail "$partition can't be unmounted"

fatlabel "$partition" PQSERVICE >&2 || fail "$partition could not be labelled"
uuid=$(blkid -c /dev/null -p -s UUID -o value -- "$partition") || fail "$partition has no UUID"
printf '%s\n' "$uuid"
