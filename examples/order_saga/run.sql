-- Runs some hundred orders, each a saga over four schemas that share only a few
-- functions. Many steps fail, and the books balance at the end. Run this as a
-- superuser, on a server with jadugar loaded:
--
--     psql -f examples/order_saga/run.sql
--
-- Creates a database order_saga and six roles; cleanup.sql removes them.
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
\ir services.sql
\ir payment.sql
\ir flow.sql
\ir orders.sql
\ir balance.sql
