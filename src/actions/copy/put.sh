# Takes a file, whole or not at all. Arguments: the path, the mode or nothing, how many bytes come,
# a suffix that no other file has, the file's name where the path is a folder.
fail() {
    echo "$1" >&2
    exit 97
}
umask 077
path=$1
case $path in -*) path=./$path ;; esac
if test -d "$path"; then
    path=${path%/}/$5
    test ! -d "$path" || fail "$path is a folder"
fi
# What would take the place of a device is a file of its name.
test ! -e "$path" || test -f "$path" || fail "$path is no file"
case $path in
*/*) folder=${path%/*}/ ;;
*) folder=./ ;;
esac
test -d "$folder" || fail "there is no folder $folder"
temporary=$folder.tf-engine-$4
trap 'rm -f "$temporary"' EXIT
trap 'exit 97' HUP INT TERM
(set -C; cat >"$temporary") || exit 97
size=$(wc -c <"$temporary") || exit 97
test "$size" -eq "$3" || fail "only $size of $3 bytes came"
chmod "${2:-644}" "$temporary" || exit 97
mv -f "$temporary" "$path" || exit 97
