#!/bin/sh
# fetch-iso.sh URL FILE CERTIFICATE [TOKEN]: downloads an image.
#
# CERTIFICATE is `checked` or `any`: what an https server may show. TOKEN is a file with the lines
# `username: NAME` and `token: PASSWORD`; they go to wget in a file, where no list of processes shows
# them.
set -eu

fail() {
    printf 'fetch-iso: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 3 ] || [ $# -eq 4 ] || fail "wants URL, FILE, CERTIFICATE and maybe TOKEN"
url=$1
file=$2
certificate=$3
token=${4-}

settings=$(mktemp)
trap 'rm -f -- "$settings"' EXIT
trap 'exit 1' HUP INT TERM
case $certificate in
    checked) ;;
    any) echo 'check_certificate = off' >>"$settings" ;;
    *) fail "CERTIFICATE is 'checked' or 'any'" ;;
esac
if [ -n "$token" ]; then
    field() {
        sed -n "s/^[[:space:]]*$1:[[:space:]]*//p" "$token" | sed 's/[[:space:]]*$//' | head -n 1
    }
    if [ -z "$(field username)" ] || [ -z "$(field token)" ]; then
        fail "the token file has no lines 'username: NAME' and 'token: PASSWORD'"
    fi
    {
        echo 'auth_no_challenge = on'
        printf 'user = %s\n' "$(field username)"
        printf 'password = %s\n' "$(field token)"
    } >>"$settings"
fi

mkdir -p -- "$(dirname -- "$file")"
rm -f -- "$file"
wget --config "$settings" --progress=dot:giga --tries=3 --timeout=60 -O "$file" -- "$url" || {
    status=$?
    rm -f -- "$file"
    fail "wget ended with $status"
}
