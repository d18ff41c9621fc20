# Reads the first bytes of the place. Arguments: the place, how many blocks of 4 MiB, `direct` or
# `cached`, `sha256sum` or `bytes`, how many bytes.
LC_ALL=C
export LC_ALL
case $3 in
direct) flag=iflag=direct ;;
*) flag= ;;
esac
case $4 in
sha256sum) dd if="$1" bs=4194304 count="$2" $flag | head -c "$5" | sha256sum ;;
*) exec dd if="$1" bs=4194304 count="$2" $flag ;;
esac
