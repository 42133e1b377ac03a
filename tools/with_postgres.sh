#!/usr/bin/env bash
# Runs a command with a PostgreSQL server of its own: started in an empty folder, gone afterwards.
# The command finds its URL in GLMCORE_TEST_POSTGRES; a server that is named there already is used as it is.
set -euo pipefail

if [ -n "${GLMCORE_TEST_POSTGRES:-}" ]; then
    exec "$@"
fi
programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
programs=${programs:-$(dirname "$(command -v initdb || echo none/initdb)")}
if [ ! -x "$programs/initdb" ]; then
    echo "PostgreSQL is not installed; install the package postgresql, or name a server in GLMCORE_TEST_POSTGRES." >&2
    exit 2
fi
folder=$(mktemp -d)
as_owner=()
if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses to run as root
    chown postgres "$folder"
    as_owner=(runuser -u postgres --)
fi
stop() {
    (cd / && "${as_owner[@]}" "$programs/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1) || true
    rm -rf "$folder"
}
trap stop EXIT
cd_back=$PWD
cd /
"${as_owner[@]}" "$programs/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
# Only over a socket in the folder; a test's database need not survive a power cut.
"${as_owner[@]}" "$programs/pg_ctl" -D "$folder/data" -l "$folder/log" -w start \
    -o "-k $folder -c listen_addresses='' -c fsync=off -c full_page_writes=off" >/dev/null
chmod 755 "$folder"
cd "$cd_back"
GLMCORE_TEST_POSTGRES="postgresql://postgres@/postgres?host=$folder" "$@"
