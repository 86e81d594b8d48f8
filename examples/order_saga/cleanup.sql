-- Removes everything that run.sql has created. Run as a superuser.
\connect postgres
DROP DATABASE IF EXISTS order_saga WITH (FORCE);
DROP ROLE IF EXISTS saga_orders, saga_stock, saga_payment, saga_delivery, saga_shop, saga_manager;
