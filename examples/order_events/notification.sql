-- The notification service: writes to the customer. Each event becomes a task,
-- since a mail takes long and leaves the database. This example only notes the
-- mail in a table.
SET ROLE shop_notification;
\o /dev/null

CREATE TABLE notification.mail (event_id bigint PRIMARY KEY, order_id integer NOT NULL, subject text NOT NULL);

CREATE FUNCTION notification.send(e jadugar.event_info) RETURNS void LANGUAGE sql AS $$
	INSERT INTO notification.mail VALUES (e.event_id, (e.data->>'order_id')::integer, CASE e.type
		WHEN 'order.created' THEN format('Your order of %s EUR', e.data->>'amount')
		WHEN 'order.cancelled' THEN 'We are sorry: ' || (e.data->>'reason')
		ELSE 'Your parcel is on its way' END)
$$;

-- This service was written for the first version of order.created, and is
-- deployed less often than the others.
SELECT jadugar.subscribe('notification', '{order.created, order.cancelled, delivery.shipped}',
	'SELECT notification.send($1)', delivery => 'task', versions => '{"order.created": 1}');
\o
RESET ROLE;
