-- Two databases change the same rows, also while they cannot reach each other,
-- and converge. Run this as a superuser, on a server with jadugar loaded:
--
--     psql -f examples/sync/run.sql
--
-- Creates databases sync_east and sync_west; cleanup.sql removes them.
-- Variables: resolver (last_write_wins or longer_body), writes (300).

\set ON_ERROR_STOP on
\set QUIET on
\pset footer off
SET client_min_messages = warning;
\if :{?resolver}
\else
\set resolver last_write_wins
\endif
\if :{?writes}
\else
\set writes 300
\endif

\ir cleanup.sql
CREATE DATABASE sync_east;
CREATE DATABASE sync_west;
\set node east
\set other west
\ir node.sql
\set node west
\set other east
\ir node.sql

\ir writes.sql
\ir compare.sql
