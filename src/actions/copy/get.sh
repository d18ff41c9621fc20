# Gives a file's bytes, or a folder as an archive. Arguments: the path, `file` or `folder`.
path=$1
case $path in -*) path=./$path ;; esac
case $2 in
folder) tar -C "$path" -cf - . || exit 97 ;;
*) cat "$path" || exit 97 ;;
esac
