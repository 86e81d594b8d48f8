-- Removes what run.sql has made.
\set QUIET on
SET client_min_messages = warning;
DROP DATABASE IF EXISTS sync_east WITH (FORCE);
DROP DATABASE IF EXISTS sync_west WITH (FORCE);
