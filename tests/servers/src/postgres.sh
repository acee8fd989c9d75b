# Stops at once, without a checkpoint.
stop_signal=QUIT
# Ends the sessions, and keeps what they have committed.
shutdown_signal=INT

prepare() {
    printf %s "$ADMIN_PASSWORD" >"$FOLDER/password" &&
        initdb -D "$FOLDER/data" -U "$ADMIN_USER" -A scram-sha-256 --pwfile="$FOLDER/password" --no-locale -E UTF8 --no-sync &&
        # In single-user mode each line is a statement; no client program is needed.
        postgres --single -F -D "$FOLDER/data" postgres <<SQL
CREATE ROLE $TEST_USER LOGIN PASSWORD '$TEST_PASSWORD'
CREATE DATABASE $DATABASE OWNER $TEST_USER
SQL
}

run() {
    exec postgres -D "$FOLDER/data" -p "$1" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c ssl=on -c ssl_cert_file="$FOLDER/server.pem" -c ssl_key_file="$FOLDER/server.key" \
        -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off
}

is_ready() {
    # The eighth line of the file is the state of the server.
    grep -q '^ready' "$FOLDER/data/postmaster.pid" 2>/dev/null
}
