#!/bin/sh
# fetch-preseed.sh FOLDER BASE NAME[=BRANCH]...: clones repositories BASE/NAME, and puts what they
# hold into FOLDER, the later over the earlier.
#
# FOLDER is made anew. Nothing is asked for on a terminal.
set -eu

fail() {
    printf 'fetch-preseed: %s\n' "$*" >&2
    exit 1
}

[ $# -ge 3 ] || fail "wants FOLDER, BASE and NAME[=BRANCH]..."
folder=$1
base=${2%/}
shift 2
command -v git >/dev/null || fail "git is not installed on this machine"

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
rm -rf -- "$folder"
mkdir -p -- "$folder"

GIT_TERMINAL_PROMPT=0
export GIT_TERMINAL_PROMPT
for wanted in "$@"; do
    name=${wanted%%=*}
    case $wanted in
        *=*) set -- --branch "${wanted#*=}" ;;
        *) set -- ;;
    esac
    # A server that says less than 1 kB/s for a minute has gone away.
    git -c http.lowSpeedLimit=1000 -c http.lowSpeedTime=60 \
        clone --quiet --depth 1 "$@" -- "$base/$name" "$work/$name" ||
        fail "$base/$name could not be cloned"
    rm -rf -- "$work/$name/.git"
    cp -R -- "$work/$name/." "$folder/"
done
