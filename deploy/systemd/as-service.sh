#!/bin/sh
# Runs a command as a service does: as its user, with its settings, secrets and folders; as root, beside it or while it is stopped.
#
#   sh as-service.sh ledger credentify doctor ledger
#   sh as-service.sh ledger credentify ledger recover --from /mnt/mirror
#   sh as-service.sh migrate credentify backup --to …          # the owners' URLs; and `backup`: all that a backup takes
#   sh as-service.sh gateway                                   # a shell
set -eu
service=credentify-${1:?name a service: ledger, gateway, verifier, migrate, backup}.service
shift
name=credentify-as-$$
taken='DynamicUser User StateDirectory StateDirectoryMode EnvironmentFile LoadCredential LimitNOFILE UMask'
lines=$(systemctl cat "$service")

[ $# -gt 0 ] && how='--pipe --wait' || { how='--pty'; set -- /bin/sh; }
set -- "--setenv=PATH=/opt/credentify/bin:$PATH" -- /usr/bin/env "$@"
IFS='
'
for line in $lines; do
  key=${line%%=*} value=${line#*=}
  case " $taken Environment " in *" $key "*) ;; *) continue ;; esac
  # Specifiers of a unit file mean nothing to systemd-run.
  [ "$key" != Environment ] || value=$(printf %s "$value" | sed "s|%d|/run/credentials/$name.service|g; s|%S|/var/lib|g")
  set -- "--property=$key=$value" "$@"
done
IFS=' '
# shellcheck disable=SC2086
exec systemd-run --quiet --collect "--unit=$name" $how "$@"
