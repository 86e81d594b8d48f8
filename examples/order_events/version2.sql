-- The second version of order.created, while everything runs: it has cents and a
-- currency. Readers get the new version of all events, also of older ones, and
-- services that name the first version get that of all events.
\o /dev/null
SET ROLE shop_orders;
CREATE TYPE orders.created_2 AS (order_id integer, sku text, quantity integer,
	cents bigint, currency text, card text, address text);
CREATE FUNCTION orders.created_up(e orders.created) RETURNS orders.created_2 IMMUTABLE LANGUAGE sql AS $$
	SELECT e.order_id, e.sku, e.quantity, (e.amount * 100)::bigint, 'EUR', e.card, e.address
$$;
CREATE FUNCTION orders.created_down(e orders.created_2) RETURNS orders.created IMMUTABLE LANGUAGE sql AS $$
	SELECT e.order_id, e.sku, e.quantity, (e.cents / 100.0)::numeric(12, 2), e.card, e.address
$$;
SELECT jadugar.register_event_type('order.created', 'orders.created_2',
	upcast => 'orders.created_up', downcast => 'orders.created_down');
RESET ROLE;

-- The payment service changes over. Its function and the version that it asks for
-- are one commit.
SET ROLE shop_payment;
BEGIN;
CREATE OR REPLACE FUNCTION payment.make_bill(data jsonb) RETURNS void LANGUAGE sql AS $$
	INSERT INTO payment.bill
	VALUES ((data->>'order_id')::integer, (data->>'cents')::bigint / 100.0, data->>'card')
$$;
SELECT jadugar.alter_subscription('payment', versions => '{"order.created": 2}');
COMMIT;
RESET ROLE;

-- The website publishes the new version last; an older one may still run.
SET ROLE shop_orders;
CREATE FUNCTION orders.place_2(n integer, sku text, quantity integer, cents bigint, card text, address text)
RETURNS void LANGUAGE sql AS $$
	SELECT orders.note(n, cents / 100.0);
	SELECT jadugar.publish('order.created',
		to_jsonb(ROW(n, sku, quantity, cents, 'EUR', card, address)::orders.created_2), version => 2);
$$;
RESET ROLE;
\o
