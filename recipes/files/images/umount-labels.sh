#!/bin/sh
# umount-labels.sh ROOT: unmounts everything below ROOT, and removes the empty folders.
#
# Also what was left there by a run that was killed, nested or not. A second call does no harm.
set -eu
[ "$(id -u)" -eq 0 ] || exec sudo -n sh "$0" "$@"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

fail() {
    printf 'umount-labels: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "wants ROOT"
case $1 in
    /*[!/]*) ;;
    *) fail "ROOT must be an absolute path, and not /" ;;
esac
[ -d "$1" ] || exit 0
root=$(readlink -f -- "$1")

# Mount points below ROOT, the last mounted first, still in octal: a label may hold a newline.
places() {
    sed -n 's/^[^ ]* \([^ ]*\) .*/\1/p' /proc/self/mounts | sed 's/\\\([0-7]\{3\}\)/\\0\1/g' |
        while IFS= read -r place; do
            case $(printf '%b.' "$place") in
                "$root"/*) printf '%s\n' "$place" ;;
            esac
        done | sed '1!G;h;$!d'
}

# A process that still looks at a file makes it busy for a moment: five tries, a second apart.
tries=5
while [ -n "$(places)" ]; do
    places | while IFS= read -r place; do
        place=$(printf '%b.' "$place")
        said=$(umount -- "${place%.}" 2>&1) || printf 'umount-labels: %s\n' "$said" >&2
    done
    tries=$((tries - 1))
    [ -n "$(places)" ] || break
    [ "$tries" -gt 0 ] || fail "still mounted below $root: $(places | tr '\n' ' ')"
    sleep 1
done

# Never `rm`: what is not an empty folder is not ours.
rmdir -- "$root"/* "$root"/.[!.]* 2>/dev/null || :
rmdir -- "$root" || fail "$root is not empty"
