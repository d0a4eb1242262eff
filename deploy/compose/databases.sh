#!/bin/sh
# Makes the two databases, each with an owner for migrations and a lesser role that runs; once, in an empty server.
# PostgreSQL's image runs it as it makes its folder. Passwords are read from files and sent over the server's own socket.
set -eu
secrets=${SECRETS:-/run/secrets}

for name in ledger gateway; do
  owner_password=$(cat "$secrets/$name-owner-password")
  password=$(cat "$secrets/$name-password")
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    --set name="$name" --set owner="${name}_owner" --set owner_password="$owner_password" --set password="$password" <<'SQL'
CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password';
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"owner" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"name" TO :"name";
SQL
done
