-- Limits: src/limit/. Those of queues and tenants are columns of their tables.

-- --------------------------------------------------------------------- tables

CREATE TABLE jadugar_internal.limit_of (
	scope		text NOT NULL CHECK (scope IN ('handler', 'key', 'owner', 'queue')),
	owner		oid NOT NULL,
	name		text NOT NULL,
	handler		text REFERENCES jadugar_internal.handler (name) ON DELETE CASCADE,
	max_concurrency integer CHECK (max_concurrency > 0),
	rate		integer CHECK (rate > 0),
	per			interval,
	burst		integer CHECK (burst > 0),
	queue_id	integer REFERENCES jadugar_internal.queue (queue_id) ON DELETE CASCADE,
	breaker		jsonb CHECK (breaker IS NULL OR scope IN ('handler', 'queue')),
	forced		text CHECK (forced IN ('open', 'disabled')),
	forced_until timestamptz,
	forced_reason text,
	forced_by	name,
	PRIMARY KEY (scope, owner, name),
	CHECK ((scope = 'handler') = (handler IS NOT NULL)),
	CHECK ((scope = 'queue') = (queue_id IS NOT NULL)),
	CHECK (max_concurrency IS NOT NULL OR rate IS NOT NULL OR breaker IS NOT NULL),
	CHECK (scope <> 'queue' OR max_concurrency IS NULL AND rate IS NULL)
);
CREATE INDEX limit_of_queue ON jadugar_internal.limit_of (queue_id) WHERE queue_id IS NOT NULL;
CREATE INDEX limit_of_handler ON jadugar_internal.limit_of (handler) WHERE handler IS NOT NULL;
CREATE INDEX limit_of_rate ON jadugar_internal.limit_of (owner, name) WHERE scope = 'key' AND rate IS NOT NULL;
COMMENT ON TABLE jadugar_internal.limit_of IS
	'Limits of handlers, concurrency keys and roles, as set by set_limit(), and breakers of handlers and queues, as set by set_breaker(). A key without a row allows one task at a time.';
COMMENT ON COLUMN jadugar_internal.limit_of.owner IS
	'Role that owns the tasks with the key, or that is limited. 0 for a handler or queue.';
COMMENT ON COLUMN jadugar_internal.limit_of.name IS 'Name of the handler or queue, or the key. Empty for a role.';
COMMENT ON COLUMN jadugar_internal.limit_of.handler IS 'The handler again, whose row it goes with.';
COMMENT ON COLUMN jadugar_internal.limit_of.rate IS 'Tasks that may begin in the time "per".';
COMMENT ON COLUMN jadugar_internal.limit_of.per IS 'NULL means 1 second.';
COMMENT ON COLUMN jadugar_internal.limit_of.burst IS
	'Tasks that may begin at once. NULL means a tenth of the rate, at least 1.';
COMMENT ON COLUMN jadugar_internal.limit_of.queue_id IS 'The queue again, whose row it goes with.';
COMMENT ON COLUMN jadugar_internal.limit_of.breaker IS 'Options of the breaker. NULL means that there is none.';
COMMENT ON COLUMN jadugar_internal.limit_of.forced IS 'State of the breaker that a role has forced.';
COMMENT ON COLUMN jadugar_internal.limit_of.forced_until IS 'NULL means without end.';
COMMENT ON COLUMN jadugar_internal.limit_of.forced_by IS 'Role that has forced it.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.limit_of', '');

-- ------------------------------------------------------------------ functions

CREATE FUNCTION jadugar.set_limit(
	scope			text,
	name			text,
	max_concurrency	integer DEFAULT NULL,
	rate			integer DEFAULT NULL,
	per				interval DEFAULT NULL,
	burst			integer DEFAULT NULL,
	owner			text DEFAULT NULL
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_set_limit';
COMMENT ON FUNCTION jadugar.set_limit IS
	'Sets how many tasks of a queue, key, tenant, handler or owner may run at the same time, and how many may begin in some time. Without both it removes the limit.';

CREATE FUNCTION jadugar.reset_limit(scope text, name text, owner text DEFAULT NULL) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_reset_limit';
COMMENT ON FUNCTION jadugar.reset_limit IS
	'Lets as many tasks begin at once as the burst of a rate allows, as if none had begun before.';

CREATE FUNCTION jadugar.rate_limit(
	name			text,
	rate			integer,
	per				interval DEFAULT NULL,
	burst			integer DEFAULT NULL,
	cost			integer DEFAULT 1,
	on_limit		text DEFAULT 'return',
	OUT allowed		boolean,
	OUT remaining	bigint,
	OUT retry_after	interval,
	OUT reset_after	interval
) LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'jdg_rate_limit';
COMMENT ON FUNCTION jadugar.rate_limit IS
	'Counts a call of the current role against a rate of its own, and returns whether it is allowed. A rollback does not undo that.';

CREATE FUNCTION jadugar.set_breaker(scope text, name text, options jsonb DEFAULT NULL) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_set_breaker';
COMMENT ON FUNCTION jadugar.set_breaker IS
	'Holds back the tasks of a handler or queue while too many of them fail. Without options it removes the breaker.';

CREATE FUNCTION jadugar.force_breaker(
	name			text,
	state			text,
	reason			text DEFAULT NULL,
	until			timestamptz DEFAULT NULL,
	scope			text DEFAULT 'endpoint'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_force_breaker';
COMMENT ON FUNCTION jadugar.force_breaker IS
	'Opens the breaker of an endpoint, handler or queue, disables it or closes it, whatever its calls say.';
