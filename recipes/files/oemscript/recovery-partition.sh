#!/bin/sh
# recovery-partition.sh LABEL...: prints the partition that the board restores itself from, and on a
# second line the EFI system partition.
#
# Both are on the disk of the running system. The first is a FAT partition with one of these labels,
# in capitals or not; where none has, it stands right behind the second, as vendors lay it out.
# Anything else is not guessed at: what is found is going to be written over.
set -eu
[ "$(id -u)" -eq 0 ] || exec sudo -n sh "$0" "$@"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

fail() {
    printf 'recovery-partition: %s\n' "$*" >&2
    exit 1
}

[ $# -ge 1 ] || fail "wants LABEL..."

capitals() {
    printf '%s' "$*" | tr '[:lower:]' '[:upper:]'
}

# As the disk has it: udev may not have caught up.
property() {
    blkid -c /dev/null -p -s "$1" -o value -- "$2" 2>/dev/null || :
}

is_known() {
    for known in $labels; do
        [ "$(capitals "$1")" != "$known" ] || return 0
    done
    return 1
}

labels=$(capitals "$@")
root=$(findmnt -nvo SOURCE /) || fail "nothing is mounted on /"
# What the root filesystem stands on, also through LVM and encryption.
disk=$(lsblk -snpro NAME,TYPE -- "$root" | awk '$2 == "disk" || $2 == "loop" { print $1 }' | sort -u)
case $disk in
    '') fail "$root, which is mounted on /, is on no disk" ;;
    *[[:space:]]*) fail "$root, which is mounted on /, is on several disks: $(echo "$disk" | tr '\n' ' ')" ;;
esac

esp=
labelled=
others=
seen=
for part in $(lsblk -lnpo NAME,TYPE -- "$disk" | awk '$2 == "part" { print $1 }' | sort -u); do
    format=$(property TYPE "$part")
    label=$(property LABEL "$part")
    seen="$seen $part (${format:-no filesystem}${label:+, $label})"
    # UEFI 2.10, table 5-7; 0xef where there is no GPT.
    case $(property PART_ENTRY_TYPE "$part") in
        c12a7328-f81f-11d2-ba4b-00a0c93ec93b | 0xef)
            [ -z "$esp" ] || fail "$disk has several EFI system partitions: $esp $part"
            esp=$part
            continue
            ;;
    esac
    [ "$format" = vfat ] || continue
    if is_known "$label" || is_known "$(property PART_ENTRY_NAME "$part")"; then
        labelled="$labelled $part"
    else
        others="$others $part"
    fi
done
[ -n "$esp" ] || fail "$disk has no EFI system partition, but$seen"

# shellcheck disable=SC2086 # paths in /dev have no spaces
set -- $labelled
[ $# -le 1 ] || fail "$disk has several partitions that may be the one:$labelled"
found=$*
if [ -z "$found" ]; then
    next=$(($(property PART_ENTRY_NUMBER "$esp") + 1))
    for part in $others; do
        [ "$(property PART_ENTRY_NUMBER "$part")" != "$next" ] || found=$part
    done
fi
[ -n "$found" ] ||
    fail "$disk has no FAT partition labelled $(echo "$labels" | sed 's/ / or /g'), nor one behind its EFI system partition, but$seen"
printf '%s\n' "$found" "$esp"
