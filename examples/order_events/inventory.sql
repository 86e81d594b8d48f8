-- The warehouse: reserves goods for an order, and takes them back.
SET ROLE shop_inventory;
\o /dev/null

CREATE TABLE inventory.item (
	sku			text PRIMARY KEY,
	initial		integer NOT NULL,
	available	integer NOT NULL CONSTRAINT in_stock CHECK (available >= 0)
);
CREATE TABLE inventory.reservation (
	order_id	integer PRIMARY KEY,
	sku			text NOT NULL REFERENCES inventory.item,
	quantity	integer NOT NULL
);
INSERT INTO inventory.item
SELECT 'sku' || i, n, n FROM (VALUES (0, 1000), (1, 1000), (2, 1000), (3, 1000), (4, 60)) t(i, n);

CREATE TYPE inventory.reserved AS (order_id integer, sku text, quantity integer);
CREATE TYPE inventory.failed AS (order_id integer, reason text);
SELECT jadugar.register_event_type('inventory.reserved', 'inventory.reserved', topic => 'shop', key => '$.order_id');
SELECT jadugar.register_event_type('inventory.failed', 'inventory.failed', topic => 'shop', key => '$.order_id');
SELECT jadugar.grant_event_type('inventory.reserved', 'shop_payment');
SELECT jadugar.grant_event_type('inventory.failed', 'shop_orders');

CREATE FUNCTION inventory.on_event(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n integer := (e.data->>'order_id')::integer;
	gone inventory.reservation;
BEGIN
	IF e.type = 'order.cancelled' THEN
		DELETE FROM inventory.reservation WHERE order_id = n RETURNING * INTO gone;
		UPDATE inventory.item SET available = available + gone.quantity WHERE sku = gone.sku;
		RETURN;
	END IF;
	-- order.created
	UPDATE inventory.item SET available = available - (e.data->>'quantity')::integer
	WHERE sku = e.data->>'sku' AND available >= (e.data->>'quantity')::integer;
	IF FOUND THEN
		INSERT INTO inventory.reservation VALUES (n, e.data->>'sku', (e.data->>'quantity')::integer);
		PERFORM jadugar.publish('inventory.reserved',
			jsonb_build_object('order_id', n, 'sku', e.data->'sku', 'quantity', e.data->'quantity'));
	ELSE
		PERFORM jadugar.publish('inventory.failed', jsonb_build_object('order_id', n, 'reason', 'not in stock'));
	END IF;
END $$;

SELECT jadugar.subscribe('inventory', '{order.created, order.cancelled}', 'SELECT inventory.on_event($1)');
\o
RESET ROLE;
