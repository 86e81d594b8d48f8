-- Carts of a shop as an actor: one state for each customer, changed by one message
-- at a time. Run this as a superuser, on a server with jadugar loaded:
--
--     psql -f examples/actor/run.sql
--
-- Creates a schema shop_carts and a role of that name; cleanup.sql removes them.

\set ON_ERROR_STOP on
\set QUIET on
\pset footer off
\pset null ''
SET client_min_messages = warning;

CREATE EXTENSION IF NOT EXISTS jadugar;
\ir cleanup.sql
CREATE ROLE shop_carts LOGIN;
SELECT jadugar.grant_access('shop_carts') \g /dev/null
CREATE SCHEMA shop_carts AUTHORIZATION shop_carts;
SET ROLE shop_carts;
\ir carts.sql
\ir messages.sql
RESET ROLE;
