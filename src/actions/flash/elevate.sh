# Runs a script as root, where that is asked for and the login isn't root already; without a sudo
# that asks no questions the login has to do. Arguments: `sudo` or `-`, the script, its arguments.
# Like the scripts that it runs it needs nothing but a POSIX shell and /proc.
asked=$1
script=$2
shift 2
while read -r key uid _; do
    [ "$key" != Uid: ] || break
done </proc/self/status
if [ "$asked" = sudo ] && [ "$uid" != 0 ] && command -v sudo >/dev/null && sudo -n true </dev/null; then
    exec sudo -n sh -c "$script" tf-engine "$@"
fi
exec sh -c "$script" tf-engine "$@"
