# Unpacks an archive into a folder, which is made. Argument: the folder.
path=$1
case $path in -*) path=./$path ;; esac
mkdir -p "$path" && tar -C "$path" -x -o -p -f - || exit 97
