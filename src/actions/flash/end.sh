# Ends a writer of ours that a lost connection, or a sudo that takes no signals, has left there. It
# may sit on its last block, and would write that over the next image once it sees the end of its
# input. Argument: the place. Answers in lines of `ended PID`.
place=$1
writes() {
    [ "/proc/$1/fd/1" -ef "$place" ]
}
for output in /proc/[0-9]*/fd/1; do
    pid=${output#/proc/}
    pid=${pid%%/*}
    writes "$pid" || continue
    ours=
    while read -r variables || [ "$variables" ]; do
        case $variables in
        *TF_ENGINE_FLASH=1*) ours=1 ;;
        esac
    done 2>/dev/null <"/proc/$pid/environ"
    [ "$ours" ] || continue
    kill -s KILL "$pid" 2>/dev/null
    waited=0
    while writes "$pid"; do
        waited=$((waited + 1))
        [ "$waited" -lt 1000 ] || sleep 1
        if [ "$waited" -ge 1020 ]; then
            echo "process $pid still writes an earlier image to $place, 20 s after SIGKILL" >&2
            exit 1
        fi
    done
    echo ended "$pid"
done

