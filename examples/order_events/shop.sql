-- Orders are placed and pass from service to service. A bug shows, and is mended;
-- the events that failed are tried again.
\set first 1
SELECT :orders / 2 AS last \gset
\ir place.sql
\ir settle.sql

\echo Orders, after the first half was placed:
SELECT status, COALESCE(reason, '') AS reason, count(*) FROM orders.customer_order GROUP BY 1, 2 ORDER BY 3 DESC, 2;

\echo Events that failed for good: the bug in payment.number_of(). Each holds up its own order only:
SELECT type, sqlstate, count(*), min(errors->-1->>'message') AS "first error"
FROM jadugar.dead_letters WHERE state = 'dead' GROUP BY 1, 2;

\echo Events tried again, with a better function:
SET ROLE shop_payment;
CREATE OR REPLACE FUNCTION payment.number_of(card text) RETURNS numeric IMMUTABLE LANGUAGE sql AS
	$$SELECT replace(card, ' ', '')::numeric$$;
SELECT jadugar.redrive('payment', error_code => '22P02');
RESET ROLE;

-- The second half, while order.created gets a new version.
SELECT :orders / 2 + 1 AS first, :orders * 3 / 4 AS last \gset
\ir place.sql
\ir version2.sql
SELECT :last + 1 AS first, :orders AS last \gset
\ir place_2.sql
\ir settle.sql

\echo Outcome of all orders:
SELECT status, COALESCE(reason, '') AS reason, count(*) FROM orders.customer_order GROUP BY 1, 2 ORDER BY 3 DESC, 2;

-- The reports begin with the first event.
\ir reports.sql
SET ROLE shop_reports;
\o /dev/null
SELECT jadugar.wait_delivered(event_id, timeout => '1 minute')
FROM jadugar.read_events(topics => '{shop}', newest_first => true, max_rows => 1);
\o
\echo What the reports know, from events alone:
SELECT status, count(*) AS orders, (sum(cents) / 100.0)::numeric(12, 2) AS amount FROM reports.order_summary GROUP BY 1 ORDER BY 2 DESC;
RESET ROLE;

-- Analytics: the same events once more.
\ir analytics.sql
\echo Sales, from a replay of all events:
SET ROLE shop_reports;
SELECT sku, orders, quantity, (cents / 100.0)::numeric(12, 2) AS amount FROM reports.sales ORDER BY 1;

\echo Everything that happened to one order, and from which event each followed:
SELECT event_id, cause, repeat('  ', hops) || type AS type, publisher, data
FROM jadugar.read_events(topics => '{shop}', key => '13');
RESET ROLE;
