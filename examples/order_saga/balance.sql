-- The books. Run as a superuser, the only role that sees all four schemas. The
-- ledgers would show an effect that was done or undone twice, or only once.

CREATE VIEW public.balance AS
WITH delivered AS (
	SELECT * FROM orders.customer_order WHERE status = 'delivered'),
per_order AS (
	SELECT o.order_id, o.status, o.amount,
		COALESCE((SELECT sum(l.amount) FROM payment.ledger l WHERE l.order_id = o.order_id), 0) AS paid,
		COALESCE((SELECT sum(i.amount) FROM orders.invoice i WHERE i.order_id = o.order_id), 0) AS invoiced,
		(SELECT count(*) FROM delivery.parcel p WHERE p.order_id = o.order_id AND p.status = 'booked') AS parcels
	FROM orders.customer_order o)
SELECT 'goods: available + sold = initial' AS what,
	format('%s + %s = %s', sum(available), sum(sold), sum(initial)) AS found,
	bool_and(available + sold = initial) AS balanced
FROM stock.item
UNION ALL
SELECT 'goods: nothing is reserved', sum(reserved)::text, bool_and(reserved = 0)
FROM stock.item
UNION ALL
SELECT 'goods: sold = delivered', format('%s = %s', (SELECT sum(sold) FROM stock.item), sum(quantity)),
	(SELECT sum(sold) FROM stock.item) = sum(quantity)
FROM delivered
UNION ALL
SELECT 'money: taken - refunded = delivered',
	format('%s - %s = %s', sum(amount) FILTER (WHERE amount > 0), -sum(amount) FILTER (WHERE amount < 0),
		(SELECT sum(amount) FROM delivered)),
	sum(amount) = (SELECT sum(amount) FROM delivered)
FROM payment.ledger
UNION ALL
SELECT 'orders: every order is delivered or cancelled', count(*) FILTER (WHERE status NOT IN ('delivered', 'cancelled'))::text,
	bool_and(status IN ('delivered', 'cancelled'))
FROM orders.customer_order
UNION ALL
SELECT 'orders: a delivered one is paid, invoiced, sent once',
	count(*) FILTER (WHERE status = 'delivered')::text,
	bool_and(paid = amount AND invoiced = amount AND parcels = 1) FILTER (WHERE status = 'delivered')
FROM per_order
UNION ALL
SELECT 'orders: a cancelled one is none of these',
	count(*) FILTER (WHERE status = 'cancelled')::text,
	COALESCE(bool_and(paid = 0 AND invoiced = 0 AND parcels = 0) FILTER (WHERE status = 'cancelled'), true)
FROM per_order
UNION ALL
SELECT 'flows: every run is completed or compensated',
	count(*) FILTER (WHERE status NOT IN ('completed', 'compensated'))::text,
	bool_and(status IN ('completed', 'compensated'))
FROM jadugar.flow_runs
UNION ALL
SELECT 'flows: check_flows() finds nothing', count(*)::text, count(*) = 0
FROM jadugar.check_flows();

\echo The books:
SELECT * FROM public.balance;
SELECT CASE WHEN bool_and(balanced) THEN 'The books are balanced.' ELSE 'THE BOOKS ARE NOT BALANCED.' END AS verdict
FROM public.balance;
