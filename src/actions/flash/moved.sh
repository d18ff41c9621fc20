# How many sectors a block device has read and written. Argument: its name in /sys/class/block.
# Fields 3 and 7 of Documentation/block/stat.rst.
read -r _ _ read _ _ _ written _ <"/sys/class/block/$1/stat" && echo "$read $written"
