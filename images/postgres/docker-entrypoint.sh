#!/bin/sh
# The start of the database container, after the contract of the official image where both have a word for it:
# POSTGRES_PASSWORD[_FILE], POSTGRES_INITDB_ARGS, PGDATA, /docker-entrypoint-initdb.d, `docker run IMAGE postgres -c …`
# (https://hub.docker.com/_/postgres). Beyond it, one more role and its database are kept as they are asked for at
# each start, not at the first alone, and that role is no superuser:
#
#   DB_FOR=explore          take EXPLORE_DB_USER, EXPLORE_DB_NAME and EXPLORE_DB_PASSWORD[_FILE] (hub: HUB_DB_*)
#   DB_EXTENSIONS=postgis   extensions that its database shall have
#   HOW_TO_FILL=…           what to do when the password is empty
#
# Without POSTGRES_PASSWORD nobody enters as postgres by the network; `docker exec -u postgres … psql` does.
set -eu

die() {
    printf '%s\n' "postgres: $1" >&2
    exit "$2"
}

# The value of a variable, or of the file that its _FILE twin names.
value() {
    eval "direct=\${$1:-} file=\${$1_FILE:-}"
    if [ -n "$direct" ] || [ -z "$file" ]; then
        printf '%s' "$direct"
    else
        [ -r "$file" ] || die "$1_FILE names $file, which cannot be read" 5
        head -n 1 "$file"
    fi
}

read_wanted() {
    admin_password=$(value POSTGRES_PASSWORD)
    role='' database='' password='' prefix=POSTGRES
    [ -n "${DB_FOR:-}" ] || return 0
    prefix=$(printf '%s_DB' "$DB_FOR" | tr '[:lower:]' '[:upper:]')
    role=$(value "${prefix}_USER") database=$(value "${prefix}_NAME") password=$(value "${prefix}_PASSWORD")
    [ -n "$password" ] || die "${prefix}_PASSWORD is empty. ${HOW_TO_FILL:-Set it in the environment of this container}" 2
    : "${role:=$DB_FOR}" "${database:=$DB_FOR}"
}

# A mounted file with mode 0600 is root's alone: it has been read by now, and root is not needed any more.
become_postgres() {
    [ "$(id -u)" = 0 ] || return 0
    mkdir -p "$PGDATA"
    find /var/lib/postgresql ! -user postgres -exec chown postgres:postgres {} +
    export POSTGRES_PASSWORD="$admin_password" "${prefix}_PASSWORD=${password:-$admin_password}"
    unset POSTGRES_PASSWORD_FILE "${prefix}_PASSWORD_FILE"
    exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
}

check_volume() {
    mkdir -p "$PGDATA" 2>/dev/null && [ -w "$PGDATA" ] ||
        die "$PGDATA may not be written by uid $(id -u). Give the volume to it, or start as root" 5
    for found in /var/lib/postgresql /var/lib/postgresql/data /var/lib/postgresql/*/docker; do
        if [ -s "$found/PG_VERSION" ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
            die "this volume was made by PostgreSQL $(cat "$found/PG_VERSION"), this image is $(postgres -V | cut -d' ' -f3). \
Take an image of that version (HABARI_POSTGRES_IMAGE), or dump the data there and restore them here" 6
        fi
    done
}

# The mark tells a cluster that an interrupted initdb left from one that is whole.
make_cluster() {
    mark=${PGDATA%/}.half-made
    if [ -e "$mark" ]; then
        find "$PGDATA" -mindepth 1 -delete
    fi
    [ ! -s "$PGDATA/PG_VERSION" ] || return 0
    [ -z "$(ls -A "$PGDATA")" ] || die "$PGDATA is not empty and holds no database" 6
    touch "$mark"
    chmod 0700 "$PGDATA"
    passwords=$(umask 077 && mktemp)
    printf '%s\n' "${admin_password:-$(head -c 32 /dev/urandom | base64)}" >"$passwords"
    # shellcheck disable=SC2086 # words on purpose
    initdb --username=postgres --pwfile="$passwords" --auth-local=peer --auth-host=scram-sha-256 \
        --encoding=UTF8 --locale=C.UTF-8 ${POSTGRES_INITDB_ARGS:-} >/dev/null || die 'initdb failed; its words are above' 4
    rm -f "$passwords"
    # peer for this container's own account, a password for whoever comes by the network
    printf '%s\n' 'local all postgres peer' 'host all all all scram-sha-256' >"$PGDATA/pg_hba.conf"
    rm -f "$mark"
}

ask() {
    PGOPTIONS='-c client_min_messages=warning' \
        psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --host /run/postgresql --username postgres "$@"
}

# Passwords go by the environment and are named in no statement that a log keeps.
provision() {
    wanted=$(printf '%s\n' "$role" "$database" "$password" "$admin_password" "${DB_EXTENSIONS:-}" | sha256sum)
    stamp=$PGDATA/habari-provisioned
    [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0
    # a server that no network reaches yet
    pg_ctl --silent --wait --timeout=60 \
        --options="-c listen_addresses='' -c log_min_error_statement=panic" start >/dev/null || die 'the server does not start' 4
    if [ -n "$admin_password" ]; then
        # from standard input: psql fills variables into no --command
        printf '%s\n' '\getenv password ADMIN_PASSWORD' "alter role postgres password :'password';" |
            ADMIN_PASSWORD=$admin_password ask --dbname postgres
    fi
    if [ -n "$role" ]; then
        ROLE_PASSWORD=$password ask --set role="$role" --set database="$database" \
            --file /usr/local/share/habari/roles.sql --dbname postgres
        for extension in ${DB_EXTENSIONS:-}; do
            ask --dbname "$database" --command "create extension if not exists \"$extension\""
        done
    fi
    [ -e "$stamp" ] || run_first_scripts
    pg_ctl --silent --wait --mode=fast stop
    printf '%s\n' "$wanted" >"$stamp"
}

run_first_scripts() {
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
            *.sql) ask --dbname "${database:-postgres}" --file "$script" ;;
            *.sh) POSTGRES_DB=${database:-postgres} sh "$script" ;;
        esac
    done
}

[ "${1:-postgres}" = postgres ] || exec "$@"
# what the health check of an earlier start found
rm -f /tmp/habari-usable
read_wanted
become_postgres "$@"
check_volume
make_cluster
provision
unset POSTGRES_PASSWORD "${prefix}_PASSWORD"
exec "$@" -c listen_addresses='*'
