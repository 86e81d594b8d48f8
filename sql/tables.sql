-- Tables. Users read them through the views of 70_views.sql and change them
-- through functions only: nothing here is granted to anyone. No foreign keys
-- and no triggers: bookkeeping runs under the extension owner's identity, and
-- under that identity nothing but built-in code may be evaluated.

-- ---------------------------------------------------------------- identity

CREATE TABLE jadugar_internal.here (
	singleton	boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	id			uuid NOT NULL,
	database	oid NOT NULL
);
COMMENT ON TABLE jadugar_internal.here IS
	'Identity of the database in which this copy of jadugar lives. Never dumped.';

CREATE TABLE jadugar_internal.origin (
	singleton	boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	id			uuid NOT NULL
);
COMMENT ON TABLE jadugar_internal.origin IS
	'Identity of the database to which the rows of jadugar belong. Dumped. Work runs only where it equals jadugar_internal.here.';

CREATE TABLE jadugar_internal.owner (
	role		oid PRIMARY KEY,
	name		name NOT NULL
);
COMMENT ON TABLE jadugar_internal.owner IS
	'Name of every role that owns an object of jadugar, so that adopt() can map owners by name.';

CREATE TABLE jadugar_internal.access (
	role		oid PRIMARY KEY,
	level		text NOT NULL CHECK (level IN ('user', 'operator', 'monitor'))
);
COMMENT ON TABLE jadugar_internal.access IS 'Access levels granted by grant_access().';

CREATE TABLE jadugar_internal.control (
	singleton	boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	paused_at	timestamptz,
	paused_until timestamptz,
	paused_by	name,
	pause_reason text
);
COMMENT ON TABLE jadugar_internal.control IS 'State of pause_all() and resume_all(), in one row.';

CREATE TABLE jadugar_internal.zone (
	name		text NOT NULL,
	fingerprint	bigint NOT NULL
);
CREATE INDEX zone_name ON jadugar_internal.zone (name);
COMMENT ON TABLE jadugar_internal.zone IS
	'Time zones that schedules use or have used, with hashes of their rules to detect changed time-zone data. Not unique, so that two sessions that use a new zone never wait for each other.';

-- ---------------------------------------------------------------- commands

CREATE SEQUENCE jadugar_internal.command_id_seq;
CREATE TABLE jadugar_internal.command (
	command_id	bigint PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.command_id_seq'),
	hash		bigint NOT NULL,
	kind		"char" NOT NULL CHECK (kind IN ('s', 'h')),
	standalone	boolean NOT NULL,
	text		text NOT NULL
);
CREATE INDEX command_hash ON jadugar_internal.command (hash);
COMMENT ON TABLE jadugar_internal.command IS
	'Command texts, shared by the tasks that run them. Kind s: SQL; h: name of a handler. The hash is not unique, so that two writers of one new text never wait for each other.';

CREATE TABLE jadugar_internal.handler (
	name		text PRIMARY KEY,
	kind		text NOT NULL CHECK (kind IN ('function', 'sql', 'c')),
	owner		oid NOT NULL,
	function	text,
	sql			text,
	library		text,
	symbol		text,
	payload_type text,
	validate	text,
	cleanup		text,
	on_error	text,
	version		text NOT NULL,
	queue_id	integer,
	priority	integer,
	timeout		interval,
	retry		jsonb,
	transaction	text,
	isolate		boolean,
	description	text,
	created_at	timestamptz NOT NULL
);
COMMENT ON TABLE jadugar_internal.handler IS
	'Named kinds of work. Functions and types are kept as text signatures, which survive pg_upgrade.';

CREATE TABLE jadugar_internal.handler_grant (
	handler		text NOT NULL,
	role		oid NOT NULL,
	PRIMARY KEY (handler, role)
);
COMMENT ON TABLE jadugar_internal.handler_grant IS
	'Roles that may use a handler owned by another role, as granted by grant_handler().';

-- ------------------------------------------------------------------ queues

CREATE SEQUENCE jadugar_internal.queue_id_seq AS integer START 10;
CREATE TABLE jadugar_internal.queue (
	queue_id	integer PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.queue_id_seq'),
	name		text NOT NULL UNIQUE,
	owner		oid NOT NULL,
	max_concurrency integer CHECK (max_concurrency > 0),
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

CREATE TABLE jadugar_internal.queue_grant (
	queue_id	integer NOT NULL,
	role		oid NOT NULL,
	privilege	text NOT NULL CHECK (privilege IN ('enqueue', 'claim')),
	PRIMARY KEY (queue_id, role, privilege)
);
COMMENT ON TABLE jadugar_internal.queue_grant IS
	'Roles that may use a queue owned by another role, as granted by grant_queue().';

CREATE TABLE jadugar_internal.key_limit (
	owner		oid NOT NULL,
	key			text NOT NULL,
	max_concurrency integer NOT NULL CHECK (max_concurrency > 0),
	PRIMARY KEY (owner, key)
);
COMMENT ON TABLE jadugar_internal.key_limit IS
	'Maximum number of concurrent tasks of a concurrency_key, as set by set_limit(). A key without a row allows one.';

-- ------------------------------------------------------------------- tasks

CREATE SEQUENCE jadugar_internal.task_id_seq;
CREATE TABLE jadugar_internal.task (
	task_id		bigint PRIMARY KEY,
	owner		oid NOT NULL,
	queue_id	integer NOT NULL,
	priority	integer NOT NULL,
	state		"char" NOT NULL CHECK (state IN ('r', 's', 'd', 'k', 'p', 'x')),
	transaction	"char" NOT NULL,
	isolate		boolean NOT NULL,
	bounded		boolean NOT NULL,
	attempt		integer NOT NULL,
	max_attempts integer NOT NULL,
	crashes		integer NOT NULL,
	command_id	bigint NOT NULL,
	run_at		timestamptz NOT NULL,
	created_at	timestamptz NOT NULL,
	payload		jsonb NOT NULL,
	schedule_id	bigint,
	scheduled_for timestamptz,
	started_at	timestamptz,
	timeout		interval,
	retry		jsonb,
	settings	jsonb,
	metadata	jsonb,
	unique_key	text,
	concurrency_key text,
	tenant		text,
	trace		text,
	on_dependency_failure "char",
	flow_run	bigint,
	step_id		bigint,
	step		text,
	flow_data	"char"
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000,
		autovacuum_analyze_scale_factor = 0.2, autovacuum_analyze_threshold = 5000);
COMMENT ON TABLE jadugar_internal.task IS
	'Tasks that have not finished. State r: ready; s: its run_at lies ahead; d: waits for predecessors; k: waits for its concurrency_key; p: paused; x: a standalone command is in progress.';
COMMENT ON COLUMN jadugar_internal.task.transaction IS
	'c: read committed; r: repeatable read; s: serializable; x: standalone (outside any transaction).';
COMMENT ON COLUMN jadugar_internal.task.bounded IS
	'True if the task counts toward the max_depth of its queue.';
COMMENT ON COLUMN jadugar_internal.task.flow_data IS
	'Argument of the task of a flow step. NULL: the payload; d: the data of its run; i: that data without results of steps; m: the payload with its paths looked up in that data; r: the result of the step to compensate; s: the payload with its paths looked up in both.';
COMMENT ON COLUMN jadugar_internal.task.attempt IS
	'Number of attempts charged so far. A running attempt is charged when it ends.';
-- The claim reads this index straight, see src/task/claim.c.
CREATE INDEX task_ready ON jadugar_internal.task (owner, queue_id, priority DESC, run_at, task_id) WHERE state = 'r';
CREATE INDEX task_due ON jadugar_internal.task (run_at) WHERE state = 's';
CREATE INDEX task_standalone ON jadugar_internal.task (task_id) WHERE state = 'x';
CREATE INDEX task_waiting ON jadugar_internal.task (task_id) WHERE state IN ('d', 'k');
CREATE INDEX task_key ON jadugar_internal.task (owner, concurrency_key, task_id) WHERE concurrency_key IS NOT NULL;
CREATE UNIQUE INDEX task_occurrence ON jadugar_internal.task (schedule_id, scheduled_for) WHERE schedule_id IS NOT NULL;
CREATE INDEX task_bounded ON jadugar_internal.task (queue_id, task_id) WHERE bounded;

CREATE TABLE jadugar_internal.dependency (
	task_id		bigint NOT NULL,
	parent_id	bigint NOT NULL,
	PRIMARY KEY (task_id, parent_id)
);
CREATE INDEX dependency_parent ON jadugar_internal.dependency (parent_id);
COMMENT ON TABLE jadugar_internal.dependency IS
	'Predecessors for which a task still waits. A row is deleted when the predecessor completes.';

CREATE TABLE jadugar_internal.unique_key (
	owner		oid NOT NULL,
	queue_id	integer NOT NULL,
	key			text NOT NULL,
	task_id		bigint NOT NULL,
	until		timestamptz,
	PRIMARY KEY (owner, queue_id, key)
);
COMMENT ON TABLE jadugar_internal.unique_key IS
	'Unique keys in force, until the task finishes or until the instant given by unique_for.';

-- --------------------------------------------------------------- schedules

CREATE SEQUENCE jadugar_internal.schedule_id_seq;
CREATE TABLE jadugar_internal.schedule (
	schedule_id	bigint PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.schedule_id_seq'),
	owner		oid NOT NULL,
	name		text NOT NULL,
	timing		jadugar.timing NOT NULL,
	timezone	text NOT NULL,
	command_id	bigint NOT NULL,
	payload		jsonb NOT NULL,
	queue_id	integer NOT NULL,
	priority	integer NOT NULL,
	timeout		interval,
	retry		jsonb,
	transaction	"char" NOT NULL,
	isolate		boolean NOT NULL,
	overlap		text NOT NULL CHECK (overlap IN ('skip', 'queue', 'parallel', 'replace')),
	misfire		text NOT NULL CHECK (misfire IN ('skip', 'once', 'all')),
	misfire_grace interval,
	jitter		interval,
	starts_at	timestamptz,
	ends_at		timestamptz,
	max_runs	bigint,
	depends_on	text[],
	concurrency_key text,
	settings	jsonb,
	tenant		text,
	description	text,
	metadata	jsonb,
	enabled		boolean NOT NULL,
	paused_at	timestamptz,
	anchor		timestamptz NOT NULL,
	next_run_at	timestamptz,
	last_fired_at timestamptz,
	last_startup timestamptz,
	runs		bigint NOT NULL DEFAULT 0,
	missed		bigint NOT NULL DEFAULT 0,
	last_error	text,
	created_at	timestamptz NOT NULL,
	updated_at	timestamptz NOT NULL,
	UNIQUE (owner, name)
) WITH (fillfactor = 80);
CREATE INDEX schedule_startup ON jadugar_internal.schedule (schedule_id) WHERE timing OPERATOR(jadugar.=) '@startup'::jadugar.timing;
CREATE INDEX schedule_due ON jadugar_internal.schedule (next_run_at, schedule_id) WHERE enabled AND paused_at IS NULL AND next_run_at IS NOT NULL;
COMMENT ON TABLE jadugar_internal.schedule IS
	'Named timings, with the task that each firing creates. While a schedule is paused, next_run_at stays unchanged, so that resuming can find the missed occurrences.';
COMMENT ON COLUMN jadugar_internal.schedule.anchor IS
	'Instant from which intervals count: starts_at, or else the time at which the timing was set.';
COMMENT ON COLUMN jadugar_internal.schedule.last_startup IS
	'Server start for which an @startup schedule has fired.';

CREATE TABLE jadugar_internal.schedule_stat (
	schedule_id	bigint PRIMARY KEY,
	last_run_at	timestamptz,
	last_status	text,
	last_success_at timestamptz,
	completed	bigint NOT NULL DEFAULT 0,
	failures	bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE jadugar_internal.schedule_stat IS
	'Outcomes of the occurrences of each schedule. Kept apart from jadugar_internal.schedule, so that a worker that settles never conflicts with the scheduler that fires.';

-- ------------------------------------------------------------------- flows

CREATE SEQUENCE jadugar_internal.flow_version_id_seq;
CREATE TABLE jadugar_internal.flow_version (
	version_id	bigint PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.flow_version_id_seq'),
	owner		oid NOT NULL,
	name		text,
	version		integer,
	hash		bigint NOT NULL,
	graph		jadugar.flow NOT NULL,
	plan		jsonb NOT NULL,
	description	text,
	created_at	timestamptz NOT NULL,
	dropped_at	timestamptz
);
CREATE UNIQUE INDEX flow_version_name ON jadugar_internal.flow_version (owner, name, version) WHERE name IS NOT NULL AND dropped_at IS NULL;
CREATE INDEX flow_version_hash ON jadugar_internal.flow_version (owner, hash);
COMMENT ON TABLE jadugar_internal.flow_version IS
	'Graphs that runs follow, never changed. Holds the versions of named flows, and, without a name, the flow values passed to start_flow().';
COMMENT ON COLUMN jadugar_internal.flow_version.plan IS
	'Array with one element for each node: the template of the tasks of the node, or null.';

CREATE TABLE jadugar_internal.flow_draft (
	owner		oid NOT NULL,
	name		text NOT NULL,
	options		jsonb NOT NULL,
	created_at	timestamptz NOT NULL,
	PRIMARY KEY (owner, name)
);
COMMENT ON TABLE jadugar_internal.flow_draft IS
	'Flows under construction, from create_chain() and create_group().';

CREATE SEQUENCE jadugar_internal.flow_draft_pos_seq;
CREATE TABLE jadugar_internal.flow_draft_step (
	owner		oid NOT NULL,
	name		text NOT NULL,
	pos			bigint NOT NULL DEFAULT pg_catalog.nextval('jadugar_internal.flow_draft_pos_seq'),
	step		text NOT NULL,
	graph		jadugar.flow NOT NULL,
	PRIMARY KEY (owner, name, pos)
);
CREATE UNIQUE INDEX flow_draft_step_name ON jadugar_internal.flow_draft_step (owner, name, step);
COMMENT ON TABLE jadugar_internal.flow_draft_step IS 'Parts added to a draft, in order.';

CREATE SEQUENCE jadugar_internal.flow_run_id_seq;
CREATE TABLE jadugar_internal.flow_run (
	run_id		bigint PRIMARY KEY,
	owner		oid NOT NULL,
	version_id	bigint NOT NULL,
	status		"char" NOT NULL CHECK (status IN ('r', 'e', 'k', 'c', 'f', 'x', 't', 'u', 'p')),
	ending		"char" CHECK (ending IN ('f', 'x', 't')),
	compensate	boolean NOT NULL,
	pivoted		boolean NOT NULL,
	live		integer NOT NULL,
	next_id		bigint NOT NULL,
	last_done	bigint,
	not_undone	integer NOT NULL,
	depth		integer NOT NULL,
	parent_run	bigint,
	parent_step	bigint,
	schedule_id	bigint,
	scheduled_for timestamptz,
	timeout		interval,
	paused_at	timestamptz,
	created_at	timestamptz NOT NULL,
	started_at	timestamptz,
	finished_at	timestamptz,
	input		jsonb NOT NULL,
	result		jsonb,
	error		jsonb,
	reason		text,
	idempotency_key text,
	tenant		text,
	trace		text,
	metadata	jsonb,
	schedule_live bigint
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX flow_run_key ON jadugar_internal.flow_run (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX flow_run_schedule ON jadugar_internal.flow_run (schedule_live) WHERE schedule_live IS NOT NULL;
CREATE INDEX flow_run_version ON jadugar_internal.flow_run (version_id);
COMMENT ON TABLE jadugar_internal.flow_run IS
	'Runs of flows. Status r: running; e: ending, live steps are being cancelled; k: compensating; c: completed; f: failed; x: cancelled; t: timed_out; u: compensated; p: compensation_failed.';
COMMENT ON COLUMN jadugar_internal.flow_run.schedule_live IS
	'Equals schedule_id until the run ends. Kept apart, so that the end of runs without a schedule changes no index.';
COMMENT ON COLUMN jadugar_internal.flow_run.live IS 'Number of steps and waits in progress.';
COMMENT ON COLUMN jadugar_internal.flow_run.not_undone IS 'Number of failed compensations.';
COMMENT ON COLUMN jadugar_internal.flow_run.next_id IS
	'step_id at which the next block of rows in flow_step begins.';
COMMENT ON COLUMN jadugar_internal.flow_run.last_done IS
	'Latest completed step that can be compensated. flow_step.prev_done leads to the one before.';

-- Updated in place while the step goes on: no column of an index changes
-- then, but due and event, where there is something to wait for.
CREATE TABLE jadugar_internal.flow_step (
	run_id		bigint NOT NULL,
	step_id		bigint NOT NULL,
	node		integer NOT NULL,
	parent		bigint NOT NULL,
	base		bigint NOT NULL,
	idx			integer,
	state		"char" NOT NULL CHECK (state IN ('w', 'r', 'c', 'f', 's', 'x', 't', 'k', 'u', 'p')),
	task_id		bigint,
	attempts	integer NOT NULL,
	due			timestamptz,
	event		text,
	child_run	bigint,
	total		integer NOT NULL,
	started		integer NOT NULL,
	ended		integer NOT NULL,
	succeeded	integer NOT NULL,
	failed		integer NOT NULL,
	waiting		integer NOT NULL,
	child_base	bigint,
	prev_base	bigint,
	cancelling	boolean NOT NULL,
	prev_done	bigint,
	started_at	timestamptz,
	finished_at	timestamptz,
	item		jsonb,
	found		jsonb,
	result		jsonb,
	error		jsonb,
	reason		text,
	PRIMARY KEY (run_id, step_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);
CREATE INDEX flow_step_due ON jadugar_internal.flow_step (due) WHERE due IS NOT NULL;
CREATE INDEX flow_step_event ON jadugar_internal.flow_step (event, run_id) WHERE event IS NOT NULL;
COMMENT ON TABLE jadugar_internal.flow_step IS
	'Nodes that a run has reached. State w: waits for the steps that after names; r: running; c: completed; f: failed; s: skipped; x: cancelled; t: timed_out; k: compensating; u: compensated; p: compensation_failed.';
COMMENT ON COLUMN jadugar_internal.flow_step.parent IS 'step_id of the container, or -1 if there is none.';
COMMENT ON COLUMN jadugar_internal.flow_step.base IS
	'step_id at which the block of this row begins. See src/flow/README.md.';
COMMENT ON COLUMN jadugar_internal.flow_step.child_base IS
	'For an each, step_id at which the blocks of its items begin. For a loop, step_id of the block of the current pass.';
COMMENT ON COLUMN jadugar_internal.flow_step.prev_base IS
	'step_id at which the block of the previous pass begins.';
COMMENT ON COLUMN jadugar_internal.flow_step.idx IS
	'Number of the item or pass, from 0, or of the child in its container.';
COMMENT ON COLUMN jadugar_internal.flow_step.item IS
	'The item of an each, in the first row of the block of that item.';
COMMENT ON COLUMN jadugar_internal.flow_step.found IS
	'For an each, its items. For a branch or loop, the value of its condition. For a wait_event, its filter.';
COMMENT ON COLUMN jadugar_internal.flow_step.event IS
	'Subject of an open wait: signal:name, event:name or approval:name.';
COMMENT ON COLUMN jadugar_internal.flow_step.due IS
	'For a wait or a container in progress, the instant at which it times out or ends.';

CREATE SEQUENCE jadugar_internal.flow_message_id_seq;
CREATE TABLE jadugar_internal.flow_message (
	message_id	bigint PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.flow_message_id_seq'),
	run_id		bigint,
	kind		"char" NOT NULL CHECK (kind IN ('s', 'v', 'e', 'a', 'c', 'd', 'f', 'p', 'u', 'r', 'k', 'x')),
	seen		boolean NOT NULL DEFAULT false,
	step_id		bigint,
	name		text,
	role		oid,
	at			timestamptz NOT NULL,
	payload		jsonb
);
CREATE INDEX flow_message_run ON jadugar_internal.flow_message (run_id, message_id);
CREATE INDEX flow_message_new ON jadugar_internal.flow_message (message_id) WHERE NOT seen;
COMMENT ON TABLE jadugar_internal.flow_message IS
	'Requests to runs, and signals that no wait has consumed yet. Kind s: signal; v: verdict on an approval; e: event (run_id null), then one row for each matching wait; a: abort; c: cancel a step; d: a sub_flow has ended; f: a task of a step has ended; p: pause; u: resume; r: retry a step; k: skip a step; x: undo a completed run.';

-- ----------------------------------------------------------------- history

CREATE SEQUENCE jadugar_internal.attempt_id_seq;
CREATE TABLE jadugar_internal.attempt (
	attempt_id	bigint NOT NULL,
	task_id		bigint,
	owner		oid NOT NULL,
	queue_id	integer NOT NULL,
	command_id	bigint NOT NULL,
	schedule_id	bigint,
	attempt		integer NOT NULL,
	priority	integer NOT NULL,
	worker_pid	integer,
	status		"char" NOT NULL CHECK (status IN ('c', 'f', 'x', 'l', 's')),
	final		boolean NOT NULL,
	scheduled_for timestamptz,
	enqueued_at	timestamptz,
	started_at	timestamptz,
	finished_at	timestamptz NOT NULL,
	row_count	bigint,
	reason		text,
	schedule	text,
	occurrences	bigint,
	scheduled_until timestamptz,
	payload		jsonb,
	result		jsonb,
	error_code	text,
	sqlstate	text,
	error		jsonb,
	tenant		text,
	trace		text,
	metadata	jsonb,
	options		jsonb,
	flow_run	bigint,
	step		text
) PARTITION BY RANGE (finished_at);
CREATE INDEX attempt_task ON jadugar_internal.attempt (task_id);
-- For the view failures; and for rates and filters by time of finish, which
-- is the order in which rows come.
CREATE INDEX attempt_failed ON jadugar_internal.attempt (task_id) WHERE final AND status IN ('f', 'l');
CREATE INDEX attempt_finished ON jadugar_internal.attempt USING brin (finished_at) WITH (pages_per_range = 16);
COMMENT ON TABLE jadugar_internal.attempt IS
	'One row per attempt and per occurrence that did not run, partitioned by day of finish (UTC). Status c: completed; f: failed; x: cancelled; l: lost; s: skipped.';
COMMENT ON COLUMN jadugar_internal.attempt.options IS
	'Further options that retry_task() needs to enqueue the task again.';

CREATE TABLE jadugar_internal.log (
	log_id		bigint GENERATED ALWAYS AS IDENTITY,
	task_id		bigint,
	attempt		integer,
	owner		oid NOT NULL,
	at			timestamptz NOT NULL,
	level		text NOT NULL,
	message		text NOT NULL,
	fields		jsonb
);
CREATE INDEX log_task ON jadugar_internal.log (task_id);
CREATE INDEX log_at ON jadugar_internal.log USING brin (at);
COMMENT ON TABLE jadugar_internal.log IS 'Messages that tasks logged with log(), and their WARNINGs.';

INSERT INTO jadugar_internal.control DEFAULT VALUES;
INSERT INTO jadugar_internal.here (id, database)
SELECT pg_catalog.gen_random_uuid(), d.oid FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database();
INSERT INTO jadugar_internal.queue (queue_id, name, owner, created_at, description)
SELECT 1, 'default', e.oid, pg_catalog.now(), 'Queue of the tasks that name none.'
FROM pg_catalog.pg_roles e WHERE e.rolname = current_user;

-- What a dump carries along. The rows that the lines above made are left out.
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.origin', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.owner', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.access', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.zone', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.command', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.command_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.handler', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.handler_grant', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.queue', 'WHERE queue_id >= 10');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.queue_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.queue_grant', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.key_limit', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.task', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.task_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.dependency', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.unique_key', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.schedule', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.schedule_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.schedule_stat', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.attempt_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_version', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_version_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_draft', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_draft_step', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_draft_pos_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_run', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_run_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_step', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_message', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_message_id_seq', '');
