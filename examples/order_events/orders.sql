-- The service that takes orders. It decides what becomes of an order, from what
-- the other services publish.
SET ROLE shop_orders;
\o /dev/null

CREATE TABLE orders.customer_order (
	order_id	integer PRIMARY KEY,
	amount		numeric(12, 2) NOT NULL,
	status		text NOT NULL DEFAULT 'created'
				CHECK (status IN ('created', 'paid', 'shipped', 'cancelled')),
	reason		text,
	deadline	bigint NOT NULL		-- the task that cancels the order if nobody pays
);

-- ------------------------------------------------------------ what it says
CREATE TYPE orders.created AS (order_id integer, sku text, quantity integer,
	amount numeric, card text, address text);
CREATE TYPE orders.cancelled AS (order_id integer, reason text);

SELECT jadugar.register_event_type('order.created', 'orders.created', topic => 'shop', key => '$.order_id');
SELECT jadugar.register_event_type('order.cancelled', 'orders.cancelled', topic => 'shop', key => '$.order_id');
SELECT jadugar.grant_event_type(type, role)
FROM unnest('{order.created, order.cancelled}'::text[]) AS type,
	unnest('{shop_inventory, shop_payment, shop_delivery, shop_notification}'::text[]) AS role;

-- ------------------------------------------------------------ what it does
-- The row of the order, and the task that cancels the order after a day.
CREATE FUNCTION orders.note(n integer, amount numeric) RETURNS void LANGUAGE sql AS $$
	INSERT INTO orders.customer_order (order_id, amount, deadline)
	SELECT n, amount, jadugar.enqueue('SELECT orders.cancel(($1->>''order_id'')::integer, ''not paid in 24 hours'')',
		jsonb_build_object('order_id', n), run_at => now() + interval '24 hours',
		unique_key => 'deadline of order ' || n)
$$;

-- The order and its event are one commit. The function names the version of its
-- event, so that it goes on working when there is a second one.
CREATE FUNCTION orders.place(n integer, sku text, quantity integer, amount numeric, card text, address text)
RETURNS void LANGUAGE sql AS $$
	SELECT orders.note(n, amount);
	SELECT jadugar.publish('order.created',
		to_jsonb(ROW(n, sku, quantity, amount, card, address)::orders.created), version => 1);
$$;

-- Publishes that the order is cancelled, unless it has been cancelled before. A
-- parcel that is on its way cannot be called back.
CREATE FUNCTION orders.cancel(n integer, why text) RETURNS void LANGUAGE sql AS $$
	WITH cancelled AS (
		UPDATE orders.customer_order SET status = 'cancelled', reason = why
		WHERE order_id = n AND status IN ('created', 'paid') RETURNING deadline)
	SELECT jadugar.publish('order.cancelled', jsonb_build_object('order_id', n, 'reason', why)),
		jadugar.cancel(deadline)
	FROM cancelled
$$;

CREATE FUNCTION orders.on_event(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n integer := (e.data->>'order_id')::integer;
BEGIN
	CASE e.type
		WHEN 'payment.charged' THEN
			PERFORM jadugar.cancel(deadline) FROM orders.customer_order WHERE order_id = n;
			UPDATE orders.customer_order SET status = 'paid' WHERE order_id = n AND status = 'created';
		WHEN 'delivery.shipped' THEN
			UPDATE orders.customer_order SET status = 'shipped' WHERE order_id = n AND status = 'paid';
		ELSE		-- inventory.failed, payment.declined, delivery.failed
			PERFORM orders.cancel(n, e.data->>'reason');
	END CASE;
END $$;

SELECT jadugar.subscribe('orders',
	'{inventory.failed, payment.charged, payment.declined, delivery.shipped, delivery.failed}',
	'SELECT orders.on_event($1)', shards => 2);
\o
RESET ROLE;
