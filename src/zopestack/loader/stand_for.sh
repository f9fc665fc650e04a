# Stand for a fork of the loader: pass signals on to it, and end as it ends (client.py).
#
#     sh stand_for.sh PID SIGNAL ...
#
# On standard input the fork tells with which status it is going to end, and then the loader, which is
# its parent, how it has ended. Both hold the other end of it, so without any word both were killed.

fork=$1
shift
status=1

for signal; do
    trap "heard=yes; kill -s $signal $fork 2> /dev/null" "$signal"
done

while :; do
    heard=
    if read -r by said; then
        status=$said
        [ "$by" = loader ] && break
    # A signal interrupts it, too.
    elif [ -z "$heard" ]; then
        break
    fi
done

# A negative one is the signal that has ended the fork.
if [ "$status" -lt 0 ]; then
    trap - "$@"
    kill "$status" $$
fi
exit "$status"
