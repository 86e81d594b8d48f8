-- Runs some hundred orders through services that only publish events and handle
-- those of others. Run this as a superuser, on a server with jadugar loaded:
--
--     psql -f examples/order_events/run.sql
--
-- Creates a database order_events and six roles; cleanup.sql removes them.
-- Variable: orders, the number of orders (psql -v orders=1000).

\set ON_ERROR_STOP on
\set QUIET on
\pset footer off
\pset null ''
SET client_min_messages = warning;
\if :{?orders}
\else
\set orders 300
\endif

\ir setup.sql
\ir orders.sql
\ir inventory.sql
\ir payment.sql
\ir delivery.sql
\ir notification.sql
\ir shop.sql
\ir balance.sql
