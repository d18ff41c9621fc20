#!/bin/sh
# detect-image.sh ROOT: says in one word which kind of image is mounted below ROOT.
#
# An image is a stranger's: one in which a folder that is going to be written leads out of it, to
# this machine's own files, is refused.
set -eu
[ "$(id -u)" -eq 0 ] || exec sudo -n sh "$0" "$@"

fail() {
    printf 'detect-image: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "wants ROOT"
root=$(readlink -f -- "$1")
[ -d "$root" ] || fail "$1 is not a folder"

# A link counts: what it points to may be there only once the image is the root.
has() {
    [ -e "$root/$1" ] || [ -L "$root/$1" ]
}

stays_inside() {
    [ -L "$root/$1" ] || return 0
    # One that leads nowhere can't be written through.
    target=$(readlink -f -- "$root/$1") || return 0
    case $target in
        "$root/${1%%/*}"/*) ;;
        *) fail "the image's $1 leads out of it, to $target" ;;
    esac
}

for base in writable writable/system-data cloudimg-rootfs ubuntu-seed/data; do
    for folder in etc etc/cloud etc/cloud/cloud.cfg.d etc/default etc/sudoers.d etc/systemd \
        etc/systemd/system etc/systemd/system/multi-user.target.wants \
        etc/systemd/system/oem-config.target.wants boot boot/grub var var/lib var/lib/cloud \
        var/lib/cloud/seed var/lib/cloud/seed/nocloud var/lib/cloud/seed/nocloud-net; do
        stays_inside "$base/$folder"
    done
    stays_inside "$base"
done

# The release in an IoT image's build stamp: 2204, 2404 of a classic one, 22, 24 of a core one.
# A stamp has one of the three forms; the first line that has any decides.
iot_release() {
    sed -n \
        -e 's/.*iot-[a-z][a-z]*-[a-z-]*classic-server-\([0-9]\{1,6\}\).*/\1/p' \
        -e 's/.*iot-[a-z][a-z]*-[a-z-]*classic-desktop-\([0-9]\{1,6\}\).*/\1/p' \
        -e 's/.*iot-[a-z][a-z]*-[a-z-]*core-\([0-9]\{1,6\}\).*/\1/p' \
        "$root/writable/.disk/info" 2>/dev/null | head -n 1
}

has_tegra_firmware() {
    for file in "$root"/writable/lib/firmware/*-tegra*; do
        if has "${file#"$root"/}"; then return 0; fi
    done
    return 1
}

# The number before the first dot of VERSION_ID, 0 where there is none.
desktop_major() {
    major=$(sed -n "s/^VERSION_ID=[\"']\\{0,1\\}\\([0-9]\\{1,6\\}\\).*/\\1/p" \
        "$root/writable/etc/os-release" 2>/dev/null | head -n 1)
    printf '%s\n' "${major:-0}"
}

release=$(iot_release)
if [ -n "$release" ]; then
    if [ "$release" -gt 2000 ]; then first_new=2404; else first_new=24; fi
    if [ "$release" -ge "$first_new" ]; then
        echo ce-oem-iot-24-and-beyond
    else
        echo ce-oem-iot-before-24
    fi
elif has_tegra_firmware; then
    echo tegra
elif has writable/usr/bin/firefox; then
    if [ "$(desktop_major)" -ge 25 ]; then echo pi-desktop-25; else echo pi-desktop; fi
elif has writable/etc; then
    echo ubuntu
elif has writable/system-data; then
    echo core
elif has ubuntu-seed/snaps; then
    echo core20
elif has cloudimg-rootfs/etc/cloud/cloud.cfg; then
    echo ubuntu-cpc
else
    echo unknown
fi
