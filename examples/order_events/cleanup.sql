-- Removes everything that run.sql has created. Run as a superuser.
\connect postgres
DROP DATABASE IF EXISTS order_events WITH (FORCE);
DROP ROLE IF EXISTS shop_orders, shop_inventory, shop_payment, shop_delivery, shop_notification, shop_reports;
