-- Creates the database, the roles and their schemas. Run as a superuser.

-- Services: each owns a schema, and has no right to another one.
CREATE ROLE shop_orders LOGIN;
CREATE ROLE shop_inventory LOGIN;
CREATE ROLE shop_payment LOGIN;
CREATE ROLE shop_delivery LOGIN;
CREATE ROLE shop_notification LOGIN;
CREATE ROLE shop_reports LOGIN;

CREATE DATABASE order_events;
\connect order_events
\o /dev/null
SET client_min_messages = warning;
CREATE EXTENSION jadugar;
SELECT jadugar.grant_access(role) FROM unnest('{shop_orders, shop_inventory, shop_payment,
	shop_delivery, shop_notification, shop_reports}'::text[]) AS role;

-- One topic for the shop. Every service may publish in it, but only types that
-- are registered; the reports may read all of it.
SELECT jadugar.create_topic('shop', keep => true, registered_only => true, index_keys => true);
SELECT jadugar.grant_topic('shop', role, 'publish') FROM unnest('{shop_orders, shop_inventory,
	shop_payment, shop_delivery}'::text[]) AS role;
SELECT jadugar.grant_topic('shop', 'shop_reports', 'read');
\o

CREATE SCHEMA orders AUTHORIZATION shop_orders;
CREATE SCHEMA inventory AUTHORIZATION shop_inventory;
CREATE SCHEMA payment AUTHORIZATION shop_payment;
CREATE SCHEMA delivery AUTHORIZATION shop_delivery;
CREATE SCHEMA notification AUTHORIZATION shop_notification;
CREATE SCHEMA reports AUTHORIZATION shop_reports;
