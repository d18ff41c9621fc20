# What stands at the place for an image. Arguments: the place, its folder. Answers in lines of
# `key value`; what makes the place unfit is said on standard error, with a status that is not 0.
place=$1
refuse() {
    echo "$*" >&2
    exit 1
}

if [ -b "$place" ]; then
    echo kind block
    name=${place##*/}
    if ! [ "/dev/$name" -ef "$place" ]; then
        name=$(readlink -f "$place" 2>/dev/null)
        name=${name##*/}
    fi
    sys=/sys/class/block/$name
    if [ "$name" ] && [ -r "$sys/dev" ] && [ "/dev/$name" -ef "$place" ]; then
        echo name "$name"
        read -r numbers <"$sys/dev"
        for partition in "$sys"/*/partition; do
            if [ -r "$partition" ] && read -r number <"${partition%/partition}/dev"; then
                numbers="$numbers $number"
            fi
        done
        while read -r _ _ number _ point _; do
            case " $numbers " in
            *" $number "*) echo mounted "$point" ;;
            esac
        done </proc/self/mountinfo
    fi
    if size=$(blockdev --getsize64 "$place" 2>/dev/null) && [ "$size" ]; then
        echo size "$size"
    elif [ "$name" ] && read -r sectors 2>/dev/null <"$sys/size"; then
        echo size "$((sectors * 512))"
    fi
elif [ -f "$place" ]; then
    echo kind file
elif [ -e "$place" ]; then
    refuse "$place is neither a block device nor a file"
elif [ -L "$place" ]; then
    refuse "$place is a symbolic link that leads nowhere"
else
    folder=$(cd -- "$2" 2>/dev/null && pwd -P) || refuse "there is no folder $2"
    # A missing device must not become a file. What is in /dev/shm are ordinary files in memory.
    case $folder/ in
    /dev/shm/*) ;;
    /dev/*) refuse "there is no device $place" ;;
    esac
    echo kind file
fi
