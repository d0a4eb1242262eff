#!/bin/sh
# Writes the secrets of compose.yaml into ./secrets (or the folder that is named), each once: what is there stays.
# Run it as root: the services' files are made readable for their user, 10001, and for nobody else.
set -eu
folder=${1:-secrets}
host=${DATABASE_HOST:-postgres}
umask 077
mkdir -p "$folder"
chmod 0700 "$folder"

once() { # once NAME COMMAND…: the output of a command into a file that is not there yet
  target=$folder/$1 && shift
  [ -e "$target" ] || { "$@" > "$folder/.new" && mv "$folder/.new" "$target"; }
}
password() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
url() { echo "postgresql://$1:$(cat "$folder/$2")@$host:5432/$3"; }

once postgres-password password
for name in ledger gateway; do
  once "$name-owner-password" password
  once "$name-password" password
  once "$name-owner-url" url "${name}_owner" "$name-owner-password" "$name"
  once "$name-database-url" url "$name" "$name-password" "$name"
done
once master-key head -c 32 /dev/urandom
once operator-token password
once grafana-password password

# The database's own user reads passwords in its container, whoever that is; on this machine the folder keeps them.
chmod 0444 "$folder"/*-password
if [ "$(id -u)" = 0 ]; then
  chown 10001:10001 "$folder"/*-url "$folder/master-key" "$folder/operator-token"
  [ ! -e "$folder/witness-key" ] || chown 10001:10001 "$folder/witness-key"
fi
echo "secrets are in $folder; keep a copy of master-key where no backup of the database lies"
