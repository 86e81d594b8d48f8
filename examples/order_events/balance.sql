-- The books. Run as a superuser, the only role that sees all schemas. They would
-- show an effect that happened twice, or not at all.

CREATE VIEW public.balance AS
WITH shipped AS (
	SELECT * FROM orders.customer_order WHERE status = 'shipped'),
per_order AS (
	SELECT o.order_id, o.status, o.amount,
		COALESCE((SELECT sum(l.amount) FROM payment.ledger l WHERE l.order_id = o.order_id), 0) AS paid,
		(SELECT count(*) FROM delivery.parcel p WHERE p.order_id = o.order_id) AS parcels,
		(SELECT count(*) FROM inventory.reservation r WHERE r.order_id = o.order_id) AS reserved,
		(SELECT count(*) FROM notification.mail m WHERE m.order_id = o.order_id) AS mails
	FROM orders.customer_order o)
SELECT 'goods: available + shipped = initial' AS what,
	format('%s + %s = %s', sum(available), (SELECT sum(quantity) FROM inventory.reservation), sum(initial)) AS found,
	sum(available) + (SELECT sum(quantity) FROM inventory.reservation) = sum(initial) AS balanced
FROM inventory.item
UNION ALL
SELECT 'money: taken - given back = shipped',
	format('%s - %s = %s', sum(amount) FILTER (WHERE amount > 0), COALESCE(-sum(amount) FILTER (WHERE amount < 0), 0),
		(SELECT sum(amount) FROM shipped)),
	sum(amount) = (SELECT sum(amount) FROM shipped)
FROM payment.ledger
UNION ALL
SELECT 'orders: every order is shipped or cancelled', count(*) FILTER (WHERE status NOT IN ('shipped', 'cancelled'))::text,
	bool_and(status IN ('shipped', 'cancelled'))
FROM orders.customer_order
UNION ALL
SELECT 'orders: a shipped one is paid, reserved, sent once', count(*) FILTER (WHERE status = 'shipped')::text,
	bool_and(paid = amount AND parcels = 1 AND reserved = 1) FILTER (WHERE status = 'shipped')
FROM per_order
UNION ALL
SELECT 'orders: a cancelled one is none of these', count(*) FILTER (WHERE status = 'cancelled')::text,
	bool_and(paid = 0 AND parcels = 0 AND reserved = 0) FILTER (WHERE status = 'cancelled')
FROM per_order
UNION ALL
SELECT 'mails: two for each order', sum(mails)::text, bool_and(mails = 2)
FROM per_order
UNION ALL
SELECT 'tasks: no deadline is left', count(*)::text, count(*) = 0
FROM jadugar.tasks
UNION ALL
SELECT 'events: none is set aside', count(*)::text, count(*) = 0
FROM jadugar.dead_letters;

\echo The books:
SELECT * FROM public.balance;
SELECT CASE WHEN bool_and(balanced) THEN 'The books are balanced.' ELSE 'THE BOOKS ARE NOT BALANCED.' END AS verdict
FROM public.balance;
