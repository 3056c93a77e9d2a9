# Sourced by the scripts that set something up, which have said where their $log is.

# step NAME COMMAND…: run a command quietly, twice if need be; where it fails, show the end of the log and leave.
step() {
    name=$1
    shift
    for attempt in 1 2; do
        "$@" >>"$log" 2>&1 && return 0
        [ "$attempt" = 2 ] || echo "$name failed, trying once more …" >&2
    done
    tail -n 20 "$log" >&2
    echo "set-up stopped while $name; the whole log is $log" >&2
    exit 1
}
