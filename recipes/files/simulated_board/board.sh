#!/bin/sh
# board.sh FOLDER COMMAND: a board made of files in FOLDER.
#
#   assemble             a board without power, its card on its side, nothing on the card
#   power on|off|read    the power switch
#   card host|dut|read   the card's switch
#   up                   whether the board has booted
#
# It boots from its card in a second. Its plug is loose: the first time that it is switched on it
# stays dead.
set -eu
mkdir -p "$1"
cd "$1"

boot() {
    count=$(($(cat count) + 1))
    echo "$count" >count
    if [ "$count" -eq 1 ]; then
        echo "brown-out" >console
    elif [ "$(cat side)" != dut ] || ! grep -q . card; then
        echo "nothing to boot from" >console
    else
        { echo "booting"; cat card; } >console
        date +%s >booted
    fi
}

case "$2 ${3:-}" in
    "assemble ")
        rm -f booted
        : >card
        : >console
        echo 0 >count
        echo off >power
        echo dut >side
        ;;
    "power on")
        if [ "$(cat power)" = off ]; then boot; fi
        echo on >power
        ;;
    "power off")
        rm -f booted
        echo off >power
        ;;
    "power read") cat power ;;
    "card host" | "card dut") echo "$3" >side ;;
    "card read") cat side ;;
    "up ")
        # What it prints is what a wait shows if it is in vain.
        tail -n 1 console
        [ -e booted ] && [ $(($(date +%s) - $(cat booted))) -ge 1 ]
        ;;
    *)
        echo "board.sh: can't do $2 ${3:-}" >&2
        exit 2
        ;;
esac
