-- Actors: state with a key, which messages change one at a time: src/actor/.

-- --------------------------------------------------------------------- tables

CREATE TABLE jadugar_internal.actor (
	name		text COLLATE "C" PRIMARY KEY,
	owner		oid NOT NULL,
	function	text NOT NULL,
	initial		jsonb NOT NULL,
	queue_id	integer,
	retry		jsonb,
	on_failure	text NOT NULL CHECK (on_failure IN ('skip', 'stop')),
	idle_ttl	interval,
	created_at	timestamptz NOT NULL
);
COMMENT ON TABLE jadugar_internal.actor IS 'Actors, as registered by register_actor().';
COMMENT ON COLUMN jadugar_internal.actor.function IS
	'Signature of the function that handles a message.';
COMMENT ON COLUMN jadugar_internal.actor.initial IS 'State of a key that has none.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.actor', '');

CREATE TABLE jadugar_internal.actor_state (
	actor		text COLLATE "C" NOT NULL,
	key			text COLLATE "C" NOT NULL,
	owner		oid NOT NULL,
	tenant		text,
	state		jsonb NOT NULL,
	version		bigint NOT NULL,
	updated_at	timestamptz NOT NULL,
	PRIMARY KEY (actor, key)
) WITH (fillfactor = 50);
CREATE INDEX actor_state_tenant ON jadugar_internal.actor_state (tenant) WHERE tenant IS NOT NULL;
COMMENT ON TABLE jadugar_internal.actor_state IS
	'State of each key of an actor. Each message updates one row, in its own page.';
COMMENT ON COLUMN jadugar_internal.actor_state.tenant IS
	'Tenant of the message or the reset that has made it.';
COMMENT ON COLUMN jadugar_internal.actor_state.version IS 'Number of changes.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.actor_state', '');

-- ------------------------------------------------------------------ functions

CREATE FUNCTION jadugar.register_actor(
	name			text,
	function		text,
	initial			jsonb DEFAULT '{}',
	queue			text DEFAULT NULL,
	retry			jsonb DEFAULT NULL,
	on_failure		text DEFAULT 'skip',
	idle_ttl		interval DEFAULT NULL,
	or_replace		boolean DEFAULT false
) RETURNS text
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_register_actor';
COMMENT ON FUNCTION jadugar.register_actor IS
	'Registers a function as an actor, which handles the messages of each key one at a time.';

CREATE FUNCTION jadugar.drop_actor(
	actor			text
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_drop_actor';
COMMENT ON FUNCTION jadugar.drop_actor IS
	'Drops an actor, with the state of its keys and the messages that wait.';

CREATE FUNCTION jadugar.send(
	actor			text,
	key				text,
	message			jsonb,
	delay			interval DEFAULT NULL,
	priority		integer DEFAULT NULL,
	unique_key		text DEFAULT NULL
) RETURNS bigint
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_send';
COMMENT ON FUNCTION jadugar.send IS
	'Sends a message to a key of an actor, and returns the id of its task.';

CREATE FUNCTION jadugar.actor_state(
	actor			text,
	key				text
) RETURNS jsonb
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_actor_state';
COMMENT ON FUNCTION jadugar.actor_state IS 'Returns the state of a key of an actor, or NULL.';

CREATE FUNCTION jadugar.reset_actor(
	actor			text,
	key				text,
	state			jsonb DEFAULT NULL
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_reset_actor';
COMMENT ON FUNCTION jadugar.reset_actor IS
	'Sets the state of a key, or forgets the key, and lets it go on if a failed message has stopped it.';

CREATE FUNCTION jadugar._actor_load(
	payload			jsonb
) RETURNS jsonb
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_actor_load';
COMMENT ON FUNCTION jadugar._actor_load IS
	'Locks and returns the state for a message. The command of the message calls it.';

CREATE FUNCTION jadugar._actor_store(
	payload			jsonb,
	state			jsonb
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_actor_store';
COMMENT ON FUNCTION jadugar._actor_store IS
	'Stores the state after a message. The command of the message calls it.';

-- ----------------------------------------------------------------------- view

CREATE VIEW jadugar.actors WITH (security_barrier) AS
SELECT a.name AS actor,
	COALESCE(r.rolname, a.owner::text::name) AS owner,
	a.function,
	q.name AS queue,
	a.on_failure,
	a.idle_ttl,
	a.created_at,
	COALESCE(s.keys, 0) AS keys,
	COALESCE(m.waiting, 0) AS waiting,
	COALESCE(m.stopped, 0) AS stopped
FROM jadugar_internal.actor a
	LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.owner
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = a.queue_id
	LEFT JOIN (SELECT x.actor, pg_catalog.count(*) AS keys
		FROM jadugar_internal.actor_state x
		WHERE (SELECT jadugar_internal._v_is_monitor()) OR jadugar_internal._v_sees(x.owner, x.tenant)
		GROUP BY x.actor) s ON s.actor = a.name
	LEFT JOIN (SELECT t.owner, pg_catalog.split_part(t.concurrency_key, '/', 2) AS actor,
			pg_catalog.count(*) FILTER (WHERE NOT (t.state = 'p' AND t.key_place)) AS waiting,
			pg_catalog.count(*) FILTER (WHERE t.state = 'p' AND t.key_place) AS stopped
		FROM jadugar_internal.task t
		WHERE t.concurrency_key ^@ 'actor/'
			AND ((SELECT jadugar_internal._v_is_monitor()) OR jadugar_internal._v_sees(t.owner, t.tenant))
		GROUP BY 1, 2) m ON m.owner = a.owner AND m.actor = a.name
WHERE (SELECT jadugar_internal._v_is_monitor()) OR jadugar_internal._v_owns(a.owner);
COMMENT ON VIEW jadugar.actors IS 'Actors, one row each.';
COMMENT ON COLUMN jadugar.actors.actor IS 'Name of the actor.';
COMMENT ON COLUMN jadugar.actors.owner IS 'Role that owns it and runs its messages.';
COMMENT ON COLUMN jadugar.actors.function IS 'Signature of its function.';
COMMENT ON COLUMN jadugar.actors.queue IS 'Queue of its messages. NULL means the default queue.';
COMMENT ON COLUMN jadugar.actors.on_failure IS 'What a failed message does to its key: skip or stop.';
COMMENT ON COLUMN jadugar.actors.idle_ttl IS 'Time after which an idle key is forgotten, or NULL.';
COMMENT ON COLUMN jadugar.actors.created_at IS 'When it was registered.';
COMMENT ON COLUMN jadugar.actors.keys IS 'Number of keys with a state.';
COMMENT ON COLUMN jadugar.actors.waiting IS 'Number of its unfinished messages.';
COMMENT ON COLUMN jadugar.actors.stopped IS 'Number of keys that a failed message has stopped.';
