#!/bin/sh
# The carrier, a program outside the server: prints a label for each parcel.
#
#     PGDATABASE=order_events PGUSER=shop_delivery sh carrier.sh labels.txt
#
# Kill it at any moment, and run any number of it side by side. After a kill a label
# may be printed again, with the same event id, but none is missing. Ends when no
# parcel has come for 3 seconds.
labels=${1:-labels.txt}
: "${PSQL:=psql}"

run()
{
	$PSQL -XqAt -F ' ' -v ON_ERROR_STOP=1 -c "$1" </dev/null
}

while [ "$(run "CALL jadugar.wait_events('carrier', '3 s')")" = t ]; do
	# an empty batch: another one was first
	batch=$(run "SELECT token, (event).event_id, (event).key
		FROM jadugar.fetch_events('carrier', 'printer $$', max_rows => 20, lease => '2 s')") || exit
	[ -n "$batch" ] || continue
	echo "$batch" | while read -r token id order; do
		echo "$id label of order $order"
	done >> "$labels"
	run "SELECT jadugar.ack('${batch%% *}')" >/dev/null || exit
done
