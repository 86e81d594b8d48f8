-- Run as a superuser. Creates an ordinary role with a database of its own and
-- access to jadugar in it. Everything else is done as that role.

CREATE ROLE demo LOGIN;
CREATE DATABASE demo OWNER demo;
\connect demo
CREATE EXTENSION jadugar;
SELECT jadugar.grant_access('demo');
