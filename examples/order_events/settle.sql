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
SET ROLE shop_inventory;
SELECT jadugar.wait_for_event(event_id, timeout => '1 minute')
FROM jadugar.read_events('{order.*}', newest_first => true, max_rows => 1);
SET ROLE shop_payment;
SELECT jadugar.wait_for_event(event_id, timeout => '1 minute')
FROM jadugar.read_events('{order.*}', newest_first => true, max_rows => 1);
SET ROLE shop_notification;
SELECT jadugar.wait_for_event(event_id, timeout => '1 minute')
FROM jadugar.read_events('{order.*, delivery.*}', newest_first => true, max_rows => 1);
\o
RESET ROLE;
