-- The payment service: charges the card when the goods are reserved.
SET ROLE shop_payment;
\o /dev/null

-- What the service knows of an order, from order.created. It never reads a table
-- of another service.
CREATE TABLE payment.bill (
	order_id	integer PRIMARY KEY,
	amount		numeric(12, 2) NOT NULL,
	card		text NOT NULL
);
CREATE TABLE payment.ledger (
	entry_id	bigint GENERATED ALWAYS AS IDENTITY,
	order_id	integer NOT NULL,
	amount		numeric(12, 2) NOT NULL
);

CREATE TYPE payment.charged AS (order_id integer, amount numeric);
CREATE TYPE payment.declined AS (order_id integer, reason text);
SELECT jadugar.register_event_type('payment.charged', 'payment.charged', topic => 'shop', key => '$.order_id');
SELECT jadugar.register_event_type('payment.declined', 'payment.declined', topic => 'shop', key => '$.order_id');
SELECT jadugar.grant_event_type('payment.charged', role)
FROM unnest('{shop_orders, shop_delivery}'::text[]) AS role;
SELECT jadugar.grant_event_type('payment.declined', 'shop_orders');

-- The bug of this example: a card's number that is written with blanks is no
-- number for this function.
CREATE FUNCTION payment.number_of(card text) RETURNS numeric IMMUTABLE LANGUAGE sql AS
	'SELECT card::numeric';

CREATE FUNCTION payment.make_bill(data jsonb) RETURNS void LANGUAGE sql AS $$
	INSERT INTO payment.bill
	VALUES ((data->>'order_id')::integer, (data->>'amount')::numeric, data->>'card')
$$;

CREATE FUNCTION payment.on_event(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n integer := (e.data->>'order_id')::integer;
	bill payment.bill;
BEGIN
	IF e.type = 'order.created' THEN
		PERFORM payment.make_bill(e.data);
	ELSIF e.type = 'order.cancelled' THEN
		-- gives back what was paid, which may be nothing
		INSERT INTO payment.ledger (order_id, amount)
		SELECT n, -sum(amount) FROM payment.ledger WHERE order_id = n HAVING sum(amount) > 0;
	ELSE		-- inventory.reserved
		SELECT * INTO STRICT bill FROM payment.bill WHERE order_id = n;
		IF random() < 0.05 THEN
			RAISE 'the bank does not answer';		-- retried
		END IF;
		IF payment.number_of(bill.card) % 11 = 0 THEN
			PERFORM jadugar.publish('payment.declined', jsonb_build_object('order_id', n, 'reason', 'card declined'));
		ELSE
			INSERT INTO payment.ledger (order_id, amount) VALUES (n, bill.amount);
			PERFORM jadugar.publish('payment.charged', jsonb_build_object('order_id', n, 'amount', bill.amount));
		END IF;
	END IF;
END $$;

SELECT jadugar.subscribe('payment', '{order.created, order.cancelled, inventory.reserved}',
	'SELECT payment.on_event($1)', shards => 2, versions => '{"order.created": 1}',
	retry => jadugar.retry_policy(10, delay => '100 ms'));
\o
RESET ROLE;
