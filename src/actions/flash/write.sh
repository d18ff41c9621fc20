# Writes standard input to the place. Arguments: the place, `block` or `file`, dd's conversions.
# TF_ENGINE_FLASH is what a later try knows this writer by.
if [ "$2" = block ] && ! [ -b "$1" ]; then
    echo "the device $1 has gone" >&2
    exit 1
fi
TF_ENGINE_FLASH=1
LC_ALL=C
export TF_ENGINE_FLASH LC_ALL
# Input comes in packets; what is written are whole blocks of 4 MiB.
case ,$3, in
*,fsync,*) exec dd of="$1" ibs=131072 obs=4194304 conv="$3" ;;
esac
dd of="$1" ibs=131072 obs=4194304 ${3:+conv="$3"} && sync
