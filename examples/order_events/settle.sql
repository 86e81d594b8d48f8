-- Waits until every order is shipped or cancelled, except those whose payment is
-- a dead letter, and until every service has handled the last event.
DO $$		-- as a superuser, who sees all services
BEGIN
	FOR i IN 1 .. 3000 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM orders.customer_order
			WHERE status IN ('created', 'paid') AND order_id::text NOT IN (
				SELECT key FROM jadugar.dead_letters WHERE state = 'dead'));
		COMMIT;
		PERFORM pg_sleep(0.02);
	END LOOP;
END $$;
\o /dev/null
SELECT jadugar.wait_delivered(event_id, timeout => '1 minute', owner => 'shop_inventory'),
	jadugar.wait_delivered(event_id, timeout => '1 minute', owner => 'shop_payment')
FROM jadugar.read_events('{order.*}', newest_first => true, max_rows => 1);
SELECT jadugar.wait_delivered(event_id, timeout => '1 minute', owner => 'shop_notification')
FROM jadugar.read_events('{order.*, delivery.*}', newest_first => true, max_rows => 1);
\o
