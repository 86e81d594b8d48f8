-- A table for the lower bound of publishing, in a database with jadugar.  It has
-- the columns, defaults and indexes of a partition of the event log.
CREATE SCHEMA floor;
CREATE TABLE floor.event (LIKE jadugar_internal.event INCLUDING ALL);
ALTER TABLE floor.event ADD PRIMARY KEY (event_id);
CREATE INDEX ON floor.event (xid, event_id);
CREATE SEQUENCE floor.event_id_seq;

GRANT USAGE ON SCHEMA floor TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA floor TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA floor TO PUBLIC;
