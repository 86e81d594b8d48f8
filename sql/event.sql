-- Topics, event types, and the event log: src/event/. The views of events are
-- in event_views.sql.

-- --------------------------------------------------------------------- tables

CREATE SEQUENCE jadugar_internal.topic_id_seq AS integer START 10;
COMMENT ON SEQUENCE jadugar_internal.topic_id_seq IS
	'Ids of topics. Ids below 10 are of built-in topics.';

CREATE TABLE jadugar_internal.topic (
	topic_id	integer PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.topic_id_seq'),
	name		text NOT NULL UNIQUE,
	owner		oid NOT NULL,
	retention	interval,
	keep		boolean NOT NULL DEFAULT false,
	roll		text NOT NULL DEFAULT 'day' CHECK (roll IN ('hour', 'day', 'month')),
	index_keys	boolean NOT NULL DEFAULT false,
	registered_only boolean NOT NULL DEFAULT false,
	leaf		integer,
	max_backlog	bigint CHECK (max_backlog > 0),
	full_since	timestamptz,
	full_by		bigint,
	max_hold	interval,
	on_expire	text NOT NULL DEFAULT 'drop' CHECK (on_expire IN ('drop', 'detach')),
	description	text,
	created_at	timestamptz NOT NULL
);
COMMENT ON TABLE jadugar_internal.topic IS
	'Parts of the event log, each with its own retention, privileges and partitions.';
COMMENT ON COLUMN jadugar_internal.topic.leaf IS
	'Partition that receives new events. NULL: none has been made yet.';

COMMENT ON COLUMN jadugar_internal.topic.full_since IS
	'When the subscription full_by has reached max_backlog. NULL: none has.';

INSERT INTO jadugar_internal.topic (topic_id, name, owner, keep, roll, retention, created_at, description)
SELECT t.id, t.name, e.oid, t.keep, t.roll, t.retention, pg_catalog.now(), t.description
FROM pg_catalog.pg_roles e, (VALUES
	(1, 'default', false, 'day', NULL::interval, 'Events of types that name no topic.'),
	(2, 'streams', true, 'month', NULL, 'Events of streams.'),
	(3, 'jadugar', false, 'day', '7 days', 'Events of jadugar itself.')
) t (id, name, keep, roll, retention, description)
WHERE e.rolname = current_user;

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.topic_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.topic', '');

CREATE FUNCTION jadugar_internal._topic_restored() RETURNS trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_topic_restored';
COMMENT ON FUNCTION jadugar_internal._topic_restored() IS
	'Puts the options of a built-in topic of a dump into its existing row.';

CREATE TRIGGER restored BEFORE INSERT ON jadugar_internal.topic
	FOR EACH ROW WHEN (NEW.topic_id < 10) EXECUTE FUNCTION jadugar_internal._topic_restored();

CREATE TABLE jadugar_internal.event_type (
	name		text PRIMARY KEY,
	owner		oid NOT NULL,
	topic_id	integer NOT NULL,
	key			text,
	version		smallint NOT NULL,
	description	text,
	created_at	timestamptz NOT NULL
);
COMMENT ON TABLE jadugar_internal.event_type IS 'Registered types of events.';
COMMENT ON COLUMN jadugar_internal.event_type.key IS
	'jsonpath that gives the key of an event from its data.';
COMMENT ON COLUMN jadugar_internal.event_type.version IS 'Latest version.';

CREATE INDEX event_type_topic ON jadugar_internal.event_type (topic_id);

CREATE TABLE jadugar_internal.event_type_version (
	name		text NOT NULL,
	version		smallint NOT NULL CHECK (version > 0),
	payload_type text,
	upcast		text,
	downcast	text,
	created_at	timestamptz NOT NULL,
	PRIMARY KEY (name, version)
);
COMMENT ON TABLE jadugar_internal.event_type_version IS 'Versions of the types of events.';
COMMENT ON COLUMN jadugar_internal.event_type_version.upcast IS
	'Function that turns data of the previous version into data of this one.';
COMMENT ON COLUMN jadugar_internal.event_type_version.downcast IS
	'Function that turns data of this version into data of the previous one.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.event_type', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.event_type_version', '');

CREATE TABLE jadugar_internal.event_grant (
	topic_id	integer NOT NULL,
	type		text NOT NULL,
	role		oid NOT NULL,
	privilege	text NOT NULL CHECK (privilege IN ('read', 'publish', 'hold')),
	PRIMARY KEY (topic_id, type, role, privilege)
);
COMMENT ON TABLE jadugar_internal.event_grant IS
	'Privileges on topics and on types of events, as granted by grant_topic() and grant_event_type().';
COMMENT ON COLUMN jadugar_internal.event_grant.topic_id IS '0: the privilege is on types.';
COMMENT ON COLUMN jadugar_internal.event_grant.type IS
	'Type or pattern of types. Empty: the privilege is on a topic.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.event_grant', '');

CREATE SEQUENCE jadugar_internal.event_id_seq;
COMMENT ON SEQUENCE jadugar_internal.event_id_seq IS 'Ids of events.';

-- Its partitions are no members of the extension, so that pg_dump writes them
-- with their rows. src/event/leaf.c makes them, with their indexes.
CREATE TABLE jadugar_internal.event (
	event_id	bigint NOT NULL,
	xid			xid8 NOT NULL,
	leaf		integer NOT NULL,
	slot		integer NOT NULL,
	published_at timestamptz NOT NULL,
	publisher	oid NOT NULL,
	version		smallint NOT NULL,
	hops		smallint NOT NULL,
	type		text NOT NULL,
	stream_id	bigint,
	stream_version bigint,
	cause		bigint,
	key			text,
	tenant		text,
	trace		text,
	headers		jsonb,
	data		jsonb NOT NULL
) PARTITION BY LIST (leaf);
ALTER TABLE jadugar_internal.event REPLICA IDENTITY FULL;
COMMENT ON TABLE jadugar_internal.event IS 'The event log. Rows are only inserted.';
COMMENT ON COLUMN jadugar_internal.event.xid IS
	'The top-level transaction that published the event.';
COMMENT ON COLUMN jadugar_internal.event.leaf IS 'Partition of the event: event_leaf.';
COMMENT ON COLUMN jadugar_internal.event.slot IS
	'Hash of the key, which decides on the shard of a subscription.';
COMMENT ON COLUMN jadugar_internal.event.version IS '0: the type was not registered.';
COMMENT ON COLUMN jadugar_internal.event.cause IS
	'The event during whose delivery this one was published.';
COMMENT ON COLUMN jadugar_internal.event.hops IS 'Number of causes before this event.';

CREATE SEQUENCE jadugar_internal.event_leaf_seq AS integer;
COMMENT ON SEQUENCE jadugar_internal.event_leaf_seq IS 'Numbers of partitions of the event log.';

CREATE TABLE jadugar_internal.event_leaf (
	leaf		integer PRIMARY KEY,
	topic_id	integer NOT NULL,
	began_at	timestamptz NOT NULL,
	closed_at	timestamptz,
	sealed_at	timestamptz,
	dropping	boolean NOT NULL DEFAULT false,
	min_id		bigint,
	max_id		bigint,
	min_xid		xid8,
	max_xid		xid8
);
COMMENT ON TABLE jadugar_internal.event_leaf IS 'Partitions of the event log.';
COMMENT ON COLUMN jadugar_internal.event_leaf.closed_at IS
	'When another partition took its place: transactions that began to write before may still be open.';
COMMENT ON COLUMN jadugar_internal.event_leaf.sealed_at IS
	'When no transaction could write to it any more; then the limits of ids and transactions are set.';

COMMENT ON COLUMN jadugar_internal.event_leaf.dropping IS
	'The drop has begun and will be finished: nobody reads its events any more.';

CREATE INDEX event_leaf_topic ON jadugar_internal.event_leaf (topic_id);
CREATE INDEX event_leaf_open ON jadugar_internal.event_leaf (leaf) WHERE sealed_at IS NULL;
CREATE INDEX event_leaf_sealed ON jadugar_internal.event_leaf (max_id) WHERE sealed_at IS NOT NULL;

CREATE TABLE jadugar_internal.event_era (
	era			integer PRIMARY KEY,
	first_id	bigint NOT NULL,
	at			timestamptz NOT NULL
);
COMMENT ON TABLE jadugar_internal.event_era IS
	'Servers that have published events, from the second on: their transaction ids are not to be compared. A row is made by adopt().';
COMMENT ON COLUMN jadugar_internal.event_era.first_id IS
	'Events with this id or a higher one are of this era or a later one.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.event_era', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.event_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.event_leaf_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.event_leaf', '');

CREATE FUNCTION jadugar_internal._leaf_copied() RETURNS trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_leaf_copied';
COMMENT ON FUNCTION jadugar_internal._leaf_copied() IS
	'Makes the partition of a row that logical replication has copied.';

CREATE TRIGGER copied AFTER INSERT OR DELETE ON jadugar_internal.event_leaf
	FOR EACH ROW EXECUTE FUNCTION jadugar_internal._leaf_copied();
ALTER TABLE jadugar_internal.event_leaf ENABLE REPLICA TRIGGER copied;

CREATE TABLE jadugar_internal.event_message (
	role		oid NOT NULL,
	message_id	text NOT NULL,
	event_id	bigint NOT NULL,
	until		timestamptz NOT NULL,
	PRIMARY KEY (role, message_id)
);
COMMENT ON TABLE jadugar_internal.event_message IS
	'Message ids that publishers have used within jadugar.event_dedup_window.';

CREATE INDEX event_message_until ON jadugar_internal.event_message (until);

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.event_message', '');

-- ---------------------------------------------------------------------- types

CREATE TYPE jadugar.event_info AS (
	event_id	bigint,
	type		text,
	version		integer,
	key			text,
	data		jsonb,
	headers		jsonb,
	topic		text,
	stream		text,
	stream_version bigint,
	published_at timestamptz,
	publisher	name,
	cause		bigint,
	hops		integer,
	tenant		text,
	trace		text
);
COMMENT ON TYPE jadugar.event_info IS 'An event, as read_events() and get_event() return it.';
COMMENT ON COLUMN jadugar.event_info.event_id IS 'Id of the event.';
COMMENT ON COLUMN jadugar.event_info.type IS 'Type of the event.';
COMMENT ON COLUMN jadugar.event_info.version IS
	'Version of the type that the data has. 0: the type was not registered.';
COMMENT ON COLUMN jadugar.event_info.key IS 'Key: the object that the event is about.';
COMMENT ON COLUMN jadugar.event_info.data IS 'Data of the event. NULL for a monitor.';
COMMENT ON COLUMN jadugar.event_info.headers IS 'Headers of the event. NULL for a monitor.';
COMMENT ON COLUMN jadugar.event_info.topic IS 'Topic of the event.';
COMMENT ON COLUMN jadugar.event_info.stream IS 'NULL. Reserved for streams.';
COMMENT ON COLUMN jadugar.event_info.stream_version IS 'NULL. Reserved for streams.';
COMMENT ON COLUMN jadugar.event_info.published_at IS 'When it was published.';
COMMENT ON COLUMN jadugar.event_info.publisher IS 'Role that published it.';
COMMENT ON COLUMN jadugar.event_info.cause IS 'Event during whose delivery it was published.';
COMMENT ON COLUMN jadugar.event_info.hops IS 'Number of causes before it.';
COMMENT ON COLUMN jadugar.event_info.tenant IS 'Tenant of the event.';
COMMENT ON COLUMN jadugar.event_info.trace IS 'Trace of the event.';

-- ------------------------------------------------------------------ functions

CREATE FUNCTION jadugar.create_topic(
	name			text,
	retention		interval DEFAULT NULL,
	keep			boolean DEFAULT false,
	roll			text DEFAULT 'day',
	index_keys		boolean DEFAULT false,
	registered_only	boolean DEFAULT false,
	max_backlog		bigint DEFAULT NULL,
	max_hold		interval DEFAULT NULL,
	on_expire		text DEFAULT 'drop',
	description		text DEFAULT NULL,
	owner			text DEFAULT NULL
) RETURNS integer
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_create_topic';
COMMENT ON FUNCTION jadugar.create_topic IS
	'Creates a topic, a part of the event log with its own retention and privileges, and returns its id.';

CREATE FUNCTION jadugar.alter_topic(
	name			text,
	retention		interval DEFAULT NULL,
	keep			boolean DEFAULT NULL,
	roll			text DEFAULT NULL,
	index_keys		boolean DEFAULT NULL,
	registered_only	boolean DEFAULT NULL,
	max_backlog		bigint DEFAULT NULL,
	max_hold		interval DEFAULT NULL,
	on_expire		text DEFAULT NULL,
	description		text DEFAULT NULL,
	reset			text[] DEFAULT NULL
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_alter_topic';
COMMENT ON FUNCTION jadugar.alter_topic IS
	'Changes the given options of a topic. Options named in reset return to their defaults.';

CREATE FUNCTION jadugar.drop_topic(name text, events text DEFAULT 'restrict') RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_drop_topic';
COMMENT ON FUNCTION jadugar.drop_topic IS
	'Drops a topic that no type names, with events => ''drop'' also its events.';

CREATE FUNCTION jadugar.grant_topic(
	topic			text,
	role			text,
	privilege		text DEFAULT 'read'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_grant_topic';
COMMENT ON FUNCTION jadugar.grant_topic IS
	'Allows a role to read all events of a topic, to publish in it, or to hold it: its subscriptions count for max_backlog.';

CREATE FUNCTION jadugar.revoke_topic(
	topic			text,
	role			text,
	privilege		text DEFAULT 'read'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_revoke_topic';
COMMENT ON FUNCTION jadugar.revoke_topic IS
	'Revokes a privilege on a topic, granted by grant_topic().';

CREATE FUNCTION jadugar.register_event_type(
	type			text,
	payload_type	text DEFAULT NULL,
	version			integer DEFAULT NULL,
	upcast			text DEFAULT NULL,
	downcast		text DEFAULT NULL,
	topic			text DEFAULT NULL,
	key				text DEFAULT NULL,
	description		text DEFAULT NULL,
	owner			text DEFAULT NULL
) RETURNS integer
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_register_event_type';
COMMENT ON FUNCTION jadugar.register_event_type IS
	'Registers a type of events, or a version of it, and returns the version. Data is checked against payload_type.';

CREATE FUNCTION jadugar.drop_event_type(type text) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_drop_event_type';
COMMENT ON FUNCTION jadugar.drop_event_type IS
	'Drops a type of events with all its versions. Its events stay, with the data that they have.';

CREATE FUNCTION jadugar.grant_event_type(
	type			text,
	role			text,
	privilege		text DEFAULT 'read'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_grant_event_type';
COMMENT ON FUNCTION jadugar.grant_event_type IS
	'Allows a role to read or to publish events of a type, or of the types that match a pattern.';

CREATE FUNCTION jadugar.revoke_event_type(
	type			text,
	role			text,
	privilege		text DEFAULT 'read'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_revoke_event_type';
COMMENT ON FUNCTION jadugar.revoke_event_type IS
	'Revokes a privilege on types of events, granted by grant_event_type().';

CREATE FUNCTION jadugar.event_schema(type text, version integer DEFAULT NULL) RETURNS jsonb
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_event_schema';
COMMENT ON FUNCTION jadugar.event_schema IS
	'Returns a JSON Schema of the data of a type of events, made from its payload_type.';

CREATE FUNCTION jadugar.publish(
	type			text,
	data			jsonb DEFAULT '{}',
	key				text DEFAULT NULL,
	headers			jsonb DEFAULT NULL,
	version			integer DEFAULT NULL,
	topic			text DEFAULT NULL,
	message_id		text DEFAULT NULL,
	tenant			text DEFAULT NULL,
	trace			text DEFAULT NULL
) RETURNS bigint
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_publish';
COMMENT ON FUNCTION jadugar.publish IS
	'Publishes an event as part of the current transaction, and returns its id.';

CREATE FUNCTION jadugar.raise_event(name text, data jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_raise_event';
COMMENT ON FUNCTION jadugar.raise_event IS
	'Publishes an event of the type name, as publish() does, and returns its id.';

CREATE FUNCTION jadugar.publish_batch(
	type			text,
	data			jsonb[],
	keys			text[] DEFAULT NULL,
	headers			jsonb[] DEFAULT NULL,
	message_ids		text[] DEFAULT NULL,
	version			integer DEFAULT NULL,
	topic			text DEFAULT NULL,
	tenant			text DEFAULT NULL,
	trace			text DEFAULT NULL
) RETURNS SETOF bigint
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_publish_batch';
COMMENT ON FUNCTION jadugar.publish_batch IS
	'Publishes an event for each element of data, and returns their ids in that order.';

CREATE FUNCTION jadugar.publish_change() RETURNS trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_publish_change';
COMMENT ON FUNCTION jadugar.publish_change() IS
	'Trigger function that publishes an event for each row that is inserted, updated or deleted. Arguments: name of the types, and optionally the column of the key.';

CREATE FUNCTION jadugar.get_event(event_id bigint) RETURNS jadugar.event_info
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_get_event';
COMMENT ON FUNCTION jadugar.get_event IS
	'Returns an event with its data in the latest version of its type.';

CREATE FUNCTION jadugar.read_events(
	types			text[] DEFAULT '{*}',
	topics			text[] DEFAULT NULL,
	key				text DEFAULT NULL,
	filter			jsonpath DEFAULT NULL,
	since			timestamptz DEFAULT NULL,
	until			timestamptz DEFAULT NULL,
	after_id		bigint DEFAULT NULL,
	max_rows		integer DEFAULT 1000,
	newest_first	boolean DEFAULT false,
	versions		jsonb DEFAULT NULL
) RETURNS SETOF jadugar.event_info
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_read_events';
COMMENT ON FUNCTION jadugar.read_events IS
	'Returns events in order of their ids, with their data in the latest version of their types.';
