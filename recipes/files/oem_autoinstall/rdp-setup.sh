#!/bin/sh
# rdp-setup.sh: shares the desktop of whoever runs it over RDP. The name and the password to log in
# with are the two lines of the standard input.
set -eu
folder=$HOME/.local/share/gnome-remote-desktop
umask 077
mkdir -p "$folder"
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$(hostname)" \
    -keyout "$folder/tls.key" -out "$folder/tls.crt" 2>/dev/null
grdctl rdp set-tls-key "$folder/tls.key"
grdctl rdp set-tls-cert "$folder/tls.crt"
grdctl rdp set-credentials
grdctl rdp disable-view-only
grdctl rdp enable
systemctl --user enable --now gnome-remote-desktop.service
