-- Removes what run.sql has made.
\set QUIET on
SET client_min_messages = warning;
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop_carts') AS there \gset
\if :there
SELECT count(*) FROM jadugar.drop_owned('shop_carts') \g /dev/null
SELECT jadugar.stop_workers('shop_carts') \g /dev/null
DROP OWNED BY shop_carts CASCADE;
SELECT jadugar.revoke_access('shop_carts') FROM jadugar.access_levels WHERE role = 'shop_carts' \g /dev/null
DROP ROLE shop_carts;
\endif
