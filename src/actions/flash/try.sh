# What this dd can do. Argument: the place; a device is left as it is. Answers in lines of
# `key value`.
place=$1
for conv in notrunc,nocreat,fsync notrunc,fsync notrunc; do
    if why=$(dd if=/dev/null of="$place" conv=$conv 2>&1); then
        echo conv "$conv"
        why=
        break
    fi
done
if [ "$why" ]; then
    echo "$why" >&2
    exit 1
fi
if dd if="$place" of=/dev/null iflag=direct bs=4096 count=1 2>/dev/null; then
    echo direct yes
fi
# Bytes are cut to length by head, whose -c is not POSIX.
if command -v sha256sum >/dev/null && [ "$(printf abc | head -c 2 2>/dev/null)" = ab ]; then
    echo sha256sum yes
fi
