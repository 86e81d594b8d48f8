-- The delivery service: sends a parcel when the order is paid.
SET ROLE shop_delivery;
\o /dev/null

CREATE TABLE delivery.address (order_id integer PRIMARY KEY, address text NOT NULL);
CREATE TABLE delivery.parcel (
	parcel_id	bigint GENERATED ALWAYS AS IDENTITY,
	order_id	integer NOT NULL,
	address		text NOT NULL
);

CREATE TYPE delivery.shipped AS (order_id integer, parcel_id bigint);
CREATE TYPE delivery.failed AS (order_id integer, reason text);
SELECT jadugar.register_event_type('delivery.shipped', 'delivery.shipped', topic => 'shop', key => '$.order_id');
SELECT jadugar.register_event_type('delivery.failed', 'delivery.failed', topic => 'shop', key => '$.order_id');
SELECT jadugar.grant_event_type('delivery.shipped', role)
FROM unnest('{shop_orders, shop_notification}'::text[]) AS role;
SELECT jadugar.grant_event_type('delivery.failed', 'shop_orders');

CREATE FUNCTION delivery.on_event(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n integer := (e.data->>'order_id')::integer;
	parcel delivery.parcel;
BEGIN
	IF e.type = 'order.created' THEN
		INSERT INTO delivery.address VALUES (n, e.data->>'address');
		RETURN;
	END IF;
	-- payment.charged
	IF random() < 0.05 THEN
		RAISE 'the carrier does not answer';		-- retried
	END IF;
	INSERT INTO delivery.parcel (order_id, address)
	SELECT order_id, address FROM delivery.address WHERE order_id = n AND address <> 'nowhere'
	RETURNING * INTO parcel;
	IF FOUND THEN
		PERFORM jadugar.publish('delivery.shipped', jsonb_build_object('order_id', n, 'parcel_id', parcel.parcel_id));
	ELSE
		PERFORM jadugar.publish('delivery.failed', jsonb_build_object('order_id', n, 'reason', 'address unknown'));
	END IF;
END $$;

SELECT jadugar.subscribe('delivery', '{order.created, payment.charged}', 'SELECT delivery.on_event($1)',
	retry => jadugar.retry_policy(10, delay => '100 ms'));

-- The carrier is a program outside the server, which fetches events: carrier.sh.
SELECT jadugar.subscribe('carrier', '{delivery.shipped}', delivery => 'fetch', shards => 2);
\o
RESET ROLE;
