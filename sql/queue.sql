-- Queues and limits: src/queue/queue_funcs.c, queue_admin_funcs.c

CREATE FUNCTION jadugar.create_queue(
	name			text,
	max_concurrency	integer DEFAULT NULL,
	max_depth		bigint DEFAULT NULL,
	on_full			text DEFAULT 'reject',
	isolate			boolean DEFAULT NULL,
	history			text DEFAULT 'all',
	retention		interval DEFAULT NULL,
	description		text DEFAULT NULL
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
	reset			text[] DEFAULT NULL
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_alter_queue';
COMMENT ON FUNCTION jadugar.alter_queue IS
	'Changes the given options of a queue. Options named in reset return to their defaults.';

CREATE FUNCTION jadugar.drop_queue(name text) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_drop_queue';
COMMENT ON FUNCTION jadugar.drop_queue IS 'Drops a queue that no task, schedule or handler uses.';

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

CREATE FUNCTION jadugar.set_limit(
	scope			text,
	name			text,
	max_concurrency	integer DEFAULT NULL,
	owner			text DEFAULT NULL
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_set_limit';
COMMENT ON FUNCTION jadugar.set_limit IS
	'Sets the maximum number of concurrent tasks of a queue or of a concurrency_key. NULL removes the limit.';
