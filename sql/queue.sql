-- Queues and privileges on them: src/queue/. The view queues counts
-- tasks, so it is in monitor.sql.

-- --------------------------------------------------------------------- tables

CREATE SEQUENCE jadugar_internal.queue_id_seq AS integer START 10;
COMMENT ON SEQUENCE jadugar_internal.queue_id_seq IS
	'Ids of queues. Ids below 10 are of built-in queues.';
CREATE TABLE jadugar_internal.queue (
	queue_id	integer PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.queue_id_seq'),
	name		text NOT NULL UNIQUE,
	owner		oid NOT NULL,
	max_concurrency integer CHECK (max_concurrency > 0),
	rate		integer CHECK (rate > 0),
	per			interval,
	burst		integer CHECK (burst > 0),
	max_depth	bigint CHECK (max_depth > 0),
	on_full		text NOT NULL DEFAULT 'reject' CHECK (on_full IN ('reject', 'block', 'drop_oldest')),
	isolate		boolean,
	history		text NOT NULL DEFAULT 'all' CHECK (history IN ('all', 'failures', 'none')),
	retention	interval,
	paused_at	timestamptz,
	paused_by	name,
	description	text,
	created_at	timestamptz NOT NULL
);
COMMENT ON TABLE jadugar_internal.queue IS 'Named streams of tasks with their limits.';
COMMENT ON COLUMN jadugar_internal.queue.rate IS 'Tasks that may begin in the time "per".';
COMMENT ON COLUMN jadugar_internal.queue.per IS 'NULL means 1 second.';
COMMENT ON COLUMN jadugar_internal.queue.burst IS
	'Tasks that may begin at once. NULL means a tenth of the rate, at least 1.';

INSERT INTO jadugar_internal.queue (queue_id, name, owner, created_at, description)
SELECT 1, 'default', e.oid, pg_catalog.now(), 'Queue of the tasks that name none.'
FROM pg_catalog.pg_roles e WHERE e.rolname = current_user;

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.queue_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.queue', 'WHERE queue_id >= 10');

CREATE TABLE jadugar_internal.queue_grant (
	queue_id	integer NOT NULL,
	role		oid NOT NULL,
	privilege	text NOT NULL CHECK (privilege IN ('enqueue', 'claim')),
	PRIMARY KEY (queue_id, role, privilege)
);
COMMENT ON TABLE jadugar_internal.queue_grant IS
	'Roles that may use a queue owned by another role, as granted by grant_queue().';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.queue_grant', '');

-- ------------------------------------------------------------------ functions

CREATE FUNCTION jadugar.create_queue(
	name			text,
	max_concurrency	integer DEFAULT NULL,
	max_depth		bigint DEFAULT NULL,
	on_full			text DEFAULT 'reject',
	isolate			boolean DEFAULT NULL,
	history			text DEFAULT 'all',
	retention		interval DEFAULT NULL,
	description		text DEFAULT NULL,
	rate			integer DEFAULT NULL,
	per				interval DEFAULT NULL,
	burst			integer DEFAULT NULL
) RETURNS integer
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_create_queue';
COMMENT ON FUNCTION jadugar.create_queue IS
	'Creates a queue with its own limits and returns its id.';

CREATE FUNCTION jadugar.alter_queue(
	name			text,
	max_concurrency	integer DEFAULT NULL,
	max_depth		bigint DEFAULT NULL,
	on_full			text DEFAULT NULL,
	isolate			boolean DEFAULT NULL,
	history			text DEFAULT NULL,
	retention		interval DEFAULT NULL,
	description		text DEFAULT NULL,
	reset			text[] DEFAULT NULL,
	rate			integer DEFAULT NULL,
	per				interval DEFAULT NULL,
	burst			integer DEFAULT NULL
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_alter_queue';
COMMENT ON FUNCTION jadugar.alter_queue IS
	'Changes the given options of a queue. Options named in reset return to their defaults.';

CREATE FUNCTION jadugar.drop_queue(name text) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_drop_queue';
COMMENT ON FUNCTION jadugar.drop_queue IS 'Drops a queue that no task, schedule, handler, flow, subscription or actor uses.';

CREATE FUNCTION jadugar.pause_queue(name text) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_pause_queue';
COMMENT ON FUNCTION jadugar.pause_queue IS
	'Pauses a queue: no further tasks of it start. Running tasks continue.';

CREATE FUNCTION jadugar.resume_queue(name text) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_resume_queue';
COMMENT ON FUNCTION jadugar.resume_queue IS 'Resumes a paused queue.';

CREATE FUNCTION jadugar.grant_queue(
	queue			text,
	role			text,
	privilege		text DEFAULT 'enqueue'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_grant_queue';
COMMENT ON FUNCTION jadugar.grant_queue IS
	'Allows a role to add tasks to a queue (enqueue) or to fetch them (claim).';

CREATE FUNCTION jadugar.revoke_queue(
	queue			text,
	role			text,
	privilege		text DEFAULT 'enqueue'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_revoke_queue';
COMMENT ON FUNCTION jadugar.revoke_queue IS
	'Revokes a privilege on a queue, granted by grant_queue().';

-- ---------------------------------------------------------------------- views

CREATE VIEW jadugar.queue_grants WITH (security_barrier) AS
SELECT q.name AS queue,
	COALESCE(r.rolname, g.role::text::name) AS role,
	g.privilege,
	COALESCE(a.rolname, q.owner::text::name) AS owner
FROM jadugar_internal.queue_grant g
	JOIN jadugar_internal.queue q ON q.queue_id = g.queue_id
	LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.role
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = q.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(q.owner)
	OR jadugar_internal._v_owns(g.role);
COMMENT ON VIEW jadugar.queue_grants IS
	'Privileges on queues that grant_queue() granted to other roles than the owners.';
COMMENT ON COLUMN jadugar.queue_grants.queue IS 'Name of the queue.';
COMMENT ON COLUMN jadugar.queue_grants.role IS 'Role that has the privilege.';
COMMENT ON COLUMN jadugar.queue_grants.privilege IS 'Privilege: enqueue or claim.';
COMMENT ON COLUMN jadugar.queue_grants.owner IS 'Role that owns the queue.';
