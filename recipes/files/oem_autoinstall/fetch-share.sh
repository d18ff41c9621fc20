#!/bin/sh
# fetch-share.sh URL FILE TOKEN: downloads an image from a share that rclone is configured for; the
# configuration is the file TOKEN.
#
# https://HOST/…/…/PROJECT/… is the remote PROJECT; what follows is the path in it, or where the URL
# has the word `partners`, what follows `share/`.
set -eu

fail() {
    printf 'fetch-share: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 3 ] || fail "wants URL, FILE and TOKEN"
url=${1%%[?#]*}
project=$(printf '%s\n' "$url" | cut -d / -f 5)
case $project in
    '' | *[!A-Za-z0-9_.-]*) fail "$url has no project as its second folder" ;;
esac
case $url in
    *partners*) path=${url#*share/} ;;
    *) path=${url#*"$project"/} ;;
esac
grep -qF "[$project]" "$3" || fail "the token file has no section [$project]"

if ! command -v rclone >/dev/null; then
    sudo -n apt-get -o DPkg::Lock::Timeout=300 install -y rclone || fail "rclone could not be installed"
fi
mkdir -p -- "$(dirname -- "$2")"
rclone --config "$3" --stats 30s --stats-one-line --stats-log-level NOTICE \
    copyto "$project:$path" "$2" || fail "rclone ended with $?"
[ -f "$2" ] || fail "rclone said that all is well, but there is no image"
