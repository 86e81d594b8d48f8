-- Creates the database, the roles and their rights. Run as a superuser.

-- Owners of schemas: they cannot log in, and no role is a member of them.
CREATE ROLE saga_orders;
CREATE ROLE saga_stock;
CREATE ROLE saga_payment;
CREATE ROLE saga_delivery;
-- The role that owns the flow, and the role that decides approvals.
CREATE ROLE saga_shop LOGIN;
CREATE ROLE saga_manager LOGIN;

CREATE DATABASE order_saga;
\connect order_saga
\o /dev/null
SET client_min_messages = warning;
CREATE EXTENSION jadugar;
SELECT jadugar.grant_access('saga_shop'), jadugar.grant_access('saga_manager');
\o

CREATE SCHEMA orders AUTHORIZATION saga_orders;
CREATE SCHEMA stock AUTHORIZATION saga_stock;
CREATE SCHEMA payment AUTHORIZATION saga_payment;
CREATE SCHEMA delivery AUTHORIZATION saga_delivery;
GRANT USAGE ON SCHEMA orders, stock, payment, delivery TO saga_shop;
GRANT USAGE ON SCHEMA orders TO saga_manager;

-- New functions can be called only by their owner and by roles with a grant.
ALTER DEFAULT PRIVILEGES FOR ROLE saga_orders, saga_stock, saga_payment, saga_delivery
	REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
