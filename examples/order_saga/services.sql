-- Four services. Each has tables that no other role can read or write, and
-- functions that it offers to the shop. These are SECURITY DEFINER, so that they
-- run with the rights of the service. Each sets its own search_path, so that no
-- caller can substitute an object of the same name.
--
-- None of them guards against being called twice: the effect of a step exists
-- once or not at all. The ledgers would show any violation.
--
-- Failures of the example:
--   now and then, anywhere   RAISE EXCEPTION: retried
--   the shelf is empty       a CHECK, class 23: fails at once
--   the card is declined     SQLSTATE 23514: fails at once
--   the address is unknown   RAISE EXCEPTION each time: fails after its retries
--   there is no VAT number   the same, while the parcel is being booked

-- ----------------------------------------------------------------- orders
SET ROLE saga_orders;

CREATE TABLE orders.customer_order (
	order_id	integer PRIMARY KEY,
	sku			text NOT NULL,
	quantity	integer NOT NULL CHECK (quantity > 0),
	amount		numeric NOT NULL,
	card		text NOT NULL,
	address		text NOT NULL,
	vat_id		text,
	status		text NOT NULL DEFAULT 'new'
				CHECK (status IN ('new', 'accepted', 'delivered', 'cancelled'))
);
CREATE TABLE orders.invoice (order_id integer NOT NULL, amount numeric NOT NULL);
-- the information that the manager needs for an approval
CREATE TABLE orders.question (
	run_id		bigint PRIMARY KEY,
	order_id	integer NOT NULL,
	amount		numeric NOT NULL
);
GRANT SELECT ON orders.question TO saga_manager;

CREATE FUNCTION orders.place(n integer) RETURNS SETOF integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	INSERT INTO orders.customer_order (order_id, sku, quantity, amount, card, address, vat_id)
	SELECT i, 'sku' || i % 5, 1 + i % 3, (1 + i % 3) * (20 + i % 7 * 30),
		CASE WHEN i % 11 = 0 THEN 'declined' ELSE 'card ' || i END,
		CASE WHEN i % 13 = 0 THEN 'nowhere' ELSE i || ' High Street' END,
		CASE WHEN i % 17 = 0 THEN NULL ELSE 'VAT' || i END
	FROM generate_series(1, n) i RETURNING order_id
$$;

-- Returns everything that the other steps need of the order.
CREATE FUNCTION orders.accept(p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	o orders.customer_order;
BEGIN
	UPDATE orders.customer_order SET status = 'accepted'
	WHERE order_id = (p->>'order')::integer AND status = 'new' RETURNING * INTO STRICT o;
	RETURN jsonb_build_object('order', o.order_id, 'sku', o.sku, 'quantity', o.quantity,
		'amount', o.amount, 'card', o.card, 'address', o.address);
END $$;

CREATE FUNCTION orders.cancel(p jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE orders.customer_order SET status = 'cancelled'
	WHERE order_id = (p->>'order')::integer AND status = 'accepted';
	IF NOT FOUND THEN
		RAISE 'order % is not accepted', p->>'order' USING ERRCODE = '23514';
	END IF;
END $$;

CREATE FUNCTION orders.ask(p jsonb, run bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	INSERT INTO orders.question VALUES (run, (p->>'order')::integer, (p->>'amount')::numeric)
$$;

CREATE FUNCTION orders.make_invoice(p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF random() < 0.05 THEN
		RAISE 'the printer is out of paper';
	END IF;
	PERFORM FROM orders.customer_order
	WHERE order_id = (p->>'order')::integer AND vat_id IS NOT NULL;
	IF NOT FOUND THEN
		RAISE 'the customer has no VAT number';
	END IF;
	INSERT INTO orders.invoice SELECT (p->>'order')::integer, (p->>'amount')::numeric;
	RETURN p;
END $$;

CREATE FUNCTION orders.void_invoice(p jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	INSERT INTO orders.invoice SELECT (p->>'order')::integer, - (p->>'amount')::numeric
$$;

-- Returns no row if there is no such order: the step expects one.
CREATE FUNCTION orders.deliver(p jsonb) RETURNS SETOF integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	UPDATE orders.customer_order SET status = 'delivered'
	WHERE order_id = (p->>'order')::integer AND status = 'accepted'
	RETURNING order_id
$$;

GRANT EXECUTE ON FUNCTION orders.place, orders.accept, orders.cancel, orders.ask,
	orders.make_invoice, orders.void_invoice, orders.deliver TO saga_shop;
RESET ROLE;

-- ------------------------------------------------------------------ stock
SET ROLE saga_stock;

CREATE TABLE stock.item (
	sku			text PRIMARY KEY,
	initial		integer NOT NULL,
	available	integer NOT NULL CONSTRAINT in_stock CHECK (available >= 0),
	reserved	integer NOT NULL DEFAULT 0 CHECK (reserved >= 0),
	sold		integer NOT NULL DEFAULT 0
);
INSERT INTO stock.item (sku, initial, available)
SELECT 'sku' || i, n, n FROM (VALUES (0, 1000), (1, 1000), (2, 1000), (3, 1000), (4, 60)) t(i, n);

CREATE FUNCTION stock.reserve(p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF random() < 0.05 THEN
		RAISE 'the warehouse does not answer';
	END IF;
	UPDATE stock.item SET available = available - (p->>'quantity')::integer,
		reserved = reserved + (p->>'quantity')::integer
	WHERE sku = p->>'sku';
	IF NOT FOUND THEN
		RAISE 'no such goods: %', p->>'sku' USING ERRCODE = '23514';
	END IF;
	RETURN jsonb_build_object('sku', p->'sku', 'quantity', p->'quantity');
END $$;

CREATE FUNCTION stock.release(p jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF random() < 0.05 THEN
		RAISE 'the warehouse does not answer';
	END IF;
	UPDATE stock.item SET available = available + (p->>'quantity')::integer,
		reserved = reserved - (p->>'quantity')::integer
	WHERE sku = p->>'sku';
	IF NOT FOUND THEN
		RAISE 'no such goods: %', p->>'sku' USING ERRCODE = '23514';
	END IF;
END $$;

CREATE FUNCTION stock.sell(p jsonb) RETURNS SETOF text
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	UPDATE stock.item SET reserved = reserved - (p->>'quantity')::integer,
		sold = sold + (p->>'quantity')::integer
	WHERE sku = p->>'sku'
	RETURNING sku
$$;

GRANT EXECUTE ON FUNCTION stock.reserve, stock.release, stock.sell TO saga_shop;
RESET ROLE;

-- ---------------------------------------------------------------- payment
SET ROLE saga_payment;

CREATE TABLE payment.ledger (
	entry_id	bigint GENERATED ALWAYS AS IDENTITY,
	order_id	integer NOT NULL,
	amount		numeric NOT NULL
);

CREATE FUNCTION payment.charge(p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF random() < 0.05 THEN
		RAISE 'the bank does not answer';
	END IF;
	IF p->>'card' = 'declined' THEN
		RAISE 'card declined' USING ERRCODE = '23514';
	END IF;
	INSERT INTO payment.ledger (order_id, amount)
	SELECT (p->>'order')::integer, (p->>'amount')::numeric;
	RETURN jsonb_build_object('order', p->'order', 'amount', p->'amount');
END $$;

CREATE FUNCTION payment.refund(p jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF random() < 0.05 THEN
		RAISE 'the bank does not answer';
	END IF;
	INSERT INTO payment.ledger (order_id, amount)
	SELECT (p->>'order')::integer, - (p->>'amount')::numeric;
END $$;

GRANT EXECUTE ON FUNCTION payment.charge, payment.refund TO saga_shop;
RESET ROLE;

-- --------------------------------------------------------------- delivery
SET ROLE saga_delivery;

CREATE TABLE delivery.parcel (
	parcel_id	bigint GENERATED ALWAYS AS IDENTITY,
	order_id	integer NOT NULL,
	address		text NOT NULL,
	status		text NOT NULL DEFAULT 'booked' CHECK (status IN ('booked', 'recalled'))
);

CREATE FUNCTION delivery.book(p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	id bigint;
BEGIN
	IF random() < 0.05 THEN
		RAISE 'the carrier does not answer';
	END IF;
	IF p->>'address' = 'nowhere' THEN
		RAISE 'address unknown';
	END IF;
	INSERT INTO delivery.parcel (order_id, address)
	SELECT (p->>'order')::integer, p->>'address' RETURNING parcel_id INTO id;
	RETURN jsonb_build_object('parcel', id);
END $$;

CREATE FUNCTION delivery.recall(p jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF random() < 0.05 THEN
		RAISE 'the carrier does not answer';
	END IF;
	UPDATE delivery.parcel SET status = 'recalled'
	WHERE parcel_id = (p->>'parcel')::bigint AND status = 'booked';
	IF NOT FOUND THEN
		RAISE 'parcel % is not booked', p->>'parcel' USING ERRCODE = '23514';
	END IF;
END $$;

GRANT EXECUTE ON FUNCTION delivery.book, delivery.recall TO saga_shop;
RESET ROLE;
