# What stands at a path: `folder`, or `file` and its mode. Argument: the path.
path=$1
case $path in -*) path=./$path ;; esac
if test -d "$path"; then
    echo folder
elif test -f "$path"; then
    echo file "$(stat -L -c %a "$path" 2>/dev/null)"
elif test -e "$path"; then
    echo "it is neither a file nor a folder" >&2
    exit 97
else
    echo "there is no such file" >&2
    exit 97
fi
