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
COMMENT ON FUNCTION jadugar.create_queue IS 'make a queue with limits of its own; returns its id';

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
COMMENT ON FUNCTION jadugar.alter_queue IS 'change what is given of a queue; reset names what goes back to its default';

CREATE FUNCTION jadugar.drop_queue(name text) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_drop_queue';
COMMENT ON FUNCTION jadugar.drop_queue IS 'remove a queue that no task, schedule or handler names any more';

CREATE FUNCTION jadugar.pause_queue(name text) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_pause_queue';
COMMENT ON FUNCTION jadugar.pause_queue IS 'start no more tasks of a queue; what runs goes on';

CREATE FUNCTION jadugar.resume_queue(name text) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_resume_queue';
COMMENT ON FUNCTION jadugar.resume_queue IS 'start tasks of a paused queue again';

CREATE FUNCTION jadugar.grant_queue(
	queue			text,
	role			text,
	privilege		text DEFAULT 'enqueue'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_grant_queue';
COMMENT ON FUNCTION jadugar.grant_queue IS 'let a role put tasks into a queue (enqueue) or fetch them (claim)';

CREATE FUNCTION jadugar.revoke_queue(
	queue			text,
	role			text,
	privilege		text DEFAULT 'enqueue'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_revoke_queue';
COMMENT ON FUNCTION jadugar.revoke_queue IS 'take back what grant_queue() gave';

CREATE FUNCTION jadugar.set_limit(
	scope			text,
	name			text,
	max_concurrency	integer DEFAULT NULL,
	owner			text DEFAULT NULL
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_set_limit';
COMMENT ON FUNCTION jadugar.set_limit IS 'how many tasks of a queue or of a concurrency_key may run at once; null removes the limit';
