-- The same orders, with a payment service outside the database, which fails, is slow, goes
-- away and comes back. Run cleanup.sql if one of them has run before, start the service, and
-- let jadugar reach this machine:
--
--     perl examples/order_saga/payment_service.pl 8099 &
--     psql -c "ALTER SYSTEM SET jadugar.http_allow_addresses = '127.0.0.0/8'" -c 'SELECT pg_reload_conf()'
--     psql -v port=8099 -f examples/order_saga/run_http.sql

\set ON_ERROR_STOP on
\set QUIET on
\pset footer off
\pset null ''
SET client_min_messages = warning;
\if :{?orders}
\else
\set orders 300
\endif

\if :{?port}
\else
\set port 8099
\endif
\set answers `perl -MIO::Socket::INET -e 'print IO::Socket::INET->new("127.0.0.1:" . shift) ? "on" : "off"' :'port'`
\if :answers
\else
\warn 'Nothing listens on port' :port 'of 127.0.0.1. Start payment_service.pl first.'
\quit
\endif

\ir setup.sql
\ir services.sql
\ir payment_http.sql
\ir flow.sql
\ir orders.sql

\echo Requests, by their outcome:
SELECT coalesce(result ->> 'status', error ->> 'status', error ->> 'kind') AS outcome, count(*)
FROM jadugar.history WHERE name = 'http' GROUP BY 1 ORDER BY 2 DESC;

-- The ledger of the service, for the books.
SELECT jadugar.call_service('payments', '/ledger') AS ledger \gset
\o /dev/null
SELECT jadugar.wait(:ledger, '10 s');
\o
INSERT INTO payment.ledger (order_id, amount)
SELECT l.order_id, l.amount FROM jadugar.http_response(:ledger),
	jsonb_to_recordset(body) AS l(order_id integer, amount numeric);
\ir balance.sql
