# Has the system forget what it has cached of a block device. Argument: the device.
exec blockdev --flushbufs "$1"
