# Its folder goes with it, so nothing needs to be written back.
stop_signal=KILL
# Ends the sessions, and keeps what they have committed.
shutdown_signal=TERM

prepare() {
    cp -r "$(dirname "$(command -v mysqld)")/../data" "$FOLDER/data" &&
        # Runs at every start, before the first connection is taken. The test user owns every database whose name begins with its own.
        cat >"$FOLDER/init.sql" <<SQL
CREATE DATABASE IF NOT EXISTS $DATABASE;
CREATE USER IF NOT EXISTS $TEST_USER@'%' IDENTIFIED BY '$TEST_PASSWORD';
GRANT ALL ON \`$DATABASE%\`.* TO $TEST_USER@'%';
CREATE USER IF NOT EXISTS $ADMIN_USER@'127.0.0.1' IDENTIFIED BY '$ADMIN_PASSWORD';
GRANT ALL ON *.* TO $ADMIN_USER@'127.0.0.1' WITH GRANT OPTION;
SQL
}

run() {
    exec mysqld --datadir="$FOLDER/data" --socket="$FOLDER/socket" --pid-file="$FOLDER/pid" \
        --init-file="$FOLDER/init.sql" --port="$1" --bind-address=127.0.0.1 --skip-name-resolve --mysqlx=OFF \
        --ssl-ca="$FOLDER/ca.pem" --ssl-cert="$FOLDER/server.pem" --ssl-key="$FOLDER/server.key" \
        --secure-file-priv= --skip-log-bin --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=32M
}

is_ready() {
    grep -q 'ready for connections' "$FOLDER/log"
}
