#!/bin/sh
# mount-labels.sh DEVICE ROOT [WRITABLE]: mounts each labelled partition of DEVICE on ROOT/LABEL.
#
# The partition WRITABLE is taken as labelled `writable`, whatever its label says.
# A partition that can't be mounted is reported and passed over; it is a failure if none can be.
# What is mounted already is left as it is, so a second call does no harm.
set -eu
[ "$(id -u)" -eq 0 ] || exec sudo -n sh "$0" "$@"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

fail() {
    printf 'mount-labels: %s\n' "$*" >&2
    exit 1
}

note() {
    printf 'mount-labels: %s\n' "$*" >&2
}

case $# in
    2 | 3) ;;
    *) fail "wants DEVICE and ROOT, and at most a partition" ;;
esac
device=$(readlink -f -- "$1") || fail "$1: no such device"
[ -b "$device" ] || fail "$device is not a block device"
case $2 in
    /*[!/]*) ;;
    *) fail "ROOT must be an absolute path, and not /" ;;
esac
mkdir -p -- "$2"
# Looked at once the partitions are there.
writable=${3:-}
root=$(readlink -f -- "$2")

# Names in /dev of the partitions that the kernel knows.
partitions() {
    for file in /sys/class/block/"${device##*/}"/"${device##*/}"*/partition; do
        [ -e "$file" ] || continue
        file=${file%/partition}
        printf '%s\n' "${file##*/}"
    done
}

# The kernel may not have looked since the card was written, or may parse no partition tables itself.
# Deleted first: an update alone keeps partitions that the new table no longer has.
partx -d "$device" >/dev/null 2>&1 || :
partx -a "$device" >/dev/null 2>&1 ||
    partprobe "$device" >/dev/null 2>&1 ||
    blockdev --rereadpt "$device" >/dev/null 2>&1 ||
    note "$device: the partition table could not be read again; going by what the kernel knows"

# A property of a filesystem as the disk has it: udev may not run, or not have caught up.
property() {
    blkid -c /dev/null -s "$1" -o value -- "$2" 2>/dev/null ||
        lsblk -dno "$1" -- "$2" 2>/dev/null ||
        blkid "$2" 2>/dev/null | sed -n "s/.* $1=\"\\([^\"]*\\)\".*/\\1/p"
}

# Nodes appear a moment after the table was read. 10 s at most, and no wait without a table.
tries=10
while :; do
    names=$(partitions)
    missing=
    for name in $names; do
        [ -b "/dev/$name" ] || missing=$name
    done
    if [ -n "$names" ] && [ -z "$missing" ]; then break; fi
    if [ -z "$names" ] && [ -z "$(property PTTYPE "$device")" ]; then break; fi
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || break
    sleep 1
done
if [ -z "$names" ]; then
    note "$device has no partitions: taking it as one filesystem"
    names=${device##*/}
fi

# /proc/self/mounts writes space, tab, newline and backslash as three octal digits.
mounted_at() {
    sed -n 's/^[^ ]* \([^ ]*\) .*/\1/p' /proc/self/mounts | sed 's/\\\([0-7]\{3\}\)/\\0\1/g' |
        while IFS= read -r place; do
            if [ "$(printf '%b' "$place")" = "$1" ]; then
                echo yes
                break
            fi
        done
}

if [ -n "$writable" ]; then
    named=$(readlink -f -- "$writable") || fail "$writable: no such partition"
    writable=
    for name in $names; do
        if [ "/dev/$name" = "$named" ]; then writable=$name; fi
    done
    [ -n "$writable" ] || fail "$named is no partition of $device"
    # First: another one with that label must not take its place.
    names="$writable $names"
fi

mounted=0
refused=0
for name in $names; do
    if [ "$name" = "$writable" ]; then
        # It stands in the list twice.
        [ -n "$named" ] || continue
        named=
        label=writable
    else
        label=$(property LABEL "/dev/$name") || label=
    fi
    [ -n "$label" ] || continue
    case $label in
        */* | . | ..)
            note "/dev/$name: the label '$label' can't be the name of a folder: passed over"
            continue
            ;;
    esac
    place=$root/$label
    if [ -n "$(mounted_at "$place")" ]; then
        note "/dev/$name: something is mounted on $place already"
        mounted=$((mounted + 1))
        continue
    fi
    mkdir -p -- "$place"
    # The image is a stranger's: nothing in it may act with rights on this machine.
    if said=$(mount -o nosuid,nodev "/dev/$name" "$place" 2>&1); then
        printf '/dev/%s %s\n' "$name" "$place"
        mounted=$((mounted + 1))
    else
        note "/dev/$name ('$label') can't be mounted: $said"
        rmdir -- "$place" || :
        refused=$((refused + 1))
    fi
done
if [ "$mounted" -eq 0 ]; then
    rmdir -- "$root" 2>/dev/null || :
    if [ "$refused" -gt 0 ]; then fail "none of the labelled partitions of $device can be mounted"; fi
    fail "no partition of $device has a label"
fi
