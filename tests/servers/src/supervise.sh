
# Runs one database server until the standard input ends. The owner holds the other end of that pipe, so its death, however
# it dies, ends it. The environment gives FOLDER, ADMIN_USER, ADMIN_PASSWORD, TEST_USER, TEST_PASSWORD and DATABASE.
# Says `prepared`; then each line read is an order: a port to listen on, answered by `ready`, or by `failed` to try another;
# `stop`, `freeze` or `thaw`, answered by `done`. What takes longer than `patience` is answered by `failed` as well.

pid=
# The server and the processes it has made.
processes() {
    echo "$pid" && cat "/proc/$pid/task/$pid/children"
}

signal_all() {
    # shellcheck disable=SC2046
    kill "-$1" $(processes) 2>/dev/null
}

# How many seconds a server may take to be ready, or to stand still.
patience=${patience:-60}

# A thread that runs on another processor goes on for a moment after its process was told to stop.
freeze() {
    signal_all STOP
    deadline=$(($(date +%s) + patience))
    for process in $(processes); do
        while grep -qs '^State:[[:space:]]*[^TZ[:space:]]' "/proc/$process/task/"*/status; do
            [ "$(date +%s)" -lt "$deadline" ] || return 1
        done
    done
}

stop() {
    kill "-$1" "$pid" 2>/dev/null
    # A frozen server would not hear it.
    signal_all CONT
    wait "$pid"
    pid=
}

end() {
    trap - EXIT
    if [ -n "$pid" ]; then
        stop "$stop_signal"
    fi
    cd /
    rm -rf "$FOLDER"
    exit
}
trap end EXIT
trap exit HUP INT TERM

# A certificate of 127.0.0.1 and of no other name, from an authority of its own: ca.pem, server.pem, server.key.
certify() {
    key="ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    echo 'subjectAltName = IP:127.0.0.1' >"$FOLDER/names"
    # shellcheck disable=SC2086
    openssl req -x509 -newkey $key -days 2 -subj '/CN=test authority' -keyout "$FOLDER/ca.key" -out "$FOLDER/ca.pem" &&
        openssl req -newkey $key -subj '/CN=test server' -keyout "$FOLDER/server.key" -out "$FOLDER/server.csr" &&
        openssl x509 -req -in "$FOLDER/server.csr" -CA "$FOLDER/ca.pem" -CAkey "$FOLDER/ca.key" -CAcreateserial \
            -days 2 -extfile "$FOLDER/names" -out "$FOLDER/server.pem" &&
        chmod 600 "$FOLDER/server.key"
}

log=$FOLDER/log
: >"$log"
if ! { certify && prepare; } </dev/null >>"$log" 2>&1; then
    cat "$log"
    exit 1
fi
echo prepared

while read -r order; do
    case $order in
        stop) stop "$shutdown_signal" ;;
        freeze)
            if ! freeze; then
                echo "it does not stand still after $patience s"
                echo failed
                continue
            fi
            ;;
        thaw) signal_all CONT ;;
    esac
    case $order in
        *[!0-9]*)
            echo done
            continue
            ;;
    esac
    : >"$log"
    # The server gets neither pipe of the owner, who would otherwise wait for it.
    run "$order" </dev/null >>"$log" 2>&1 &
    pid=$!
    deadline=$(($(date +%s) + patience))
    until is_ready; do
        if [ "$(date +%s)" -ge "$deadline" ]; then
            tail -n 5 "$log"
            echo "it is not ready after $patience s"
            stop KILL
            echo failed
            continue 2
        fi
        if ! kill -0 "$pid" 2>/dev/null; then
            pid=
            tail -n 5 "$log"
            echo failed
            continue 2
        fi
        sleep 0.02
    done
    echo ready
done
