-- Flows: versions, runs, and requests to runs: src/flow/run/. Functions that
-- build graphs are in flow_graph.sql, drafts in flow_drafts.sql, views in
-- flow_views.sql, functions that read flows in flow_readers.sql.

-- --------------------------------------------------------------------- tables

CREATE SEQUENCE jadugar_internal.flow_version_id_seq;
COMMENT ON SEQUENCE jadugar_internal.flow_version_id_seq IS 'Ids of versions of flows.';
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
COMMENT ON COLUMN jadugar_internal.flow_version.hash IS
	'Hash of the graph, by which an equal graph is found.';
COMMENT ON COLUMN jadugar_internal.flow_version.dropped_at IS
	'Instant of drop_flow(); the row stays while runs need it.';
COMMENT ON COLUMN jadugar_internal.flow_version.plan IS
	'Array with one element for each node: the template of the tasks of the node, or null.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_version_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_version', '');

CREATE SEQUENCE jadugar_internal.flow_run_id_seq;
COMMENT ON SEQUENCE jadugar_internal.flow_run_id_seq IS 'Ids of runs of flows.';
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
	schedule_live bigint,
	task_id		bigint,
	done_count	bigint NOT NULL,
	paused_by	text,
	ended_by	text,
	timezone	text,
	schedule	text,
	quiet		boolean NOT NULL
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX flow_run_key ON jadugar_internal.flow_run (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX flow_run_tenant ON jadugar_internal.flow_run (tenant, run_id) WHERE tenant IS NOT NULL;
CREATE INDEX flow_run_schedule ON jadugar_internal.flow_run (schedule_live) WHERE schedule_live IS NOT NULL;
CREATE INDEX flow_run_owner ON jadugar_internal.flow_run (owner) WHERE finished_at IS NULL;
CREATE INDEX flow_run_task ON jadugar_internal.flow_run (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX flow_run_failed ON jadugar_internal.flow_run (finished_at) WHERE status IN ('f', 't', 'p');
CREATE INDEX flow_run_version ON jadugar_internal.flow_run (version_id);
COMMENT ON TABLE jadugar_internal.flow_run IS
	'Runs of flows. Status r: running; e: ending, live steps are being cancelled; k: compensating; c: completed; f: failed; x: cancelled; t: timed_out; u: compensated; p: compensation_failed.';
COMMENT ON COLUMN jadugar_internal.flow_run.ending IS
	'Status in which a run that is ending finishes if nothing is compensated.';
COMMENT ON COLUMN jadugar_internal.flow_run.compensate IS
	'True if the run is compensated when it fails.';
COMMENT ON COLUMN jadugar_internal.flow_run.pivoted IS
	'True once a pivot step has completed; nothing is compensated then.';
COMMENT ON COLUMN jadugar_internal.flow_run.depth IS 'Number of sub_flows above the run.';
COMMENT ON COLUMN jadugar_internal.flow_run.parent_step IS
	'Step of parent_run that started the run.';
COMMENT ON COLUMN jadugar_internal.flow_run.timeout IS 'Maximum duration of the whole run.';
COMMENT ON COLUMN jadugar_internal.flow_run.timezone IS
	'TimeZone of the steps: that of the task of a schedule that started the run.';
COMMENT ON COLUMN jadugar_internal.flow_run.schedule_live IS
	'Equals schedule_id until the run ends. Kept apart, so that the end of runs without a schedule changes no index.';
COMMENT ON COLUMN jadugar_internal.flow_run.schedule IS
	'Name of the schedule when the run began, as its row may be gone.';
COMMENT ON COLUMN jadugar_internal.flow_run.task_id IS
	'Task whose command is the flow; it ends with the run.';
COMMENT ON COLUMN jadugar_internal.flow_run.quiet IS
	'True if the run, and what its steps enqueue and start, cause no lifecycle events: a handler of such events has started it.';
COMMENT ON COLUMN jadugar_internal.flow_run.done_count IS
	'Number of completed steps so far that can be compensated.';
COMMENT ON COLUMN jadugar_internal.flow_run.live IS 'Number of steps and waits in progress.';
COMMENT ON COLUMN jadugar_internal.flow_run.not_undone IS 'Number of failed compensations.';
COMMENT ON COLUMN jadugar_internal.flow_run.next_id IS
	'step_id at which the next block of rows in flow_step begins.';
COMMENT ON COLUMN jadugar_internal.flow_run.last_done IS
	'Latest completed step that can be compensated. flow_step.prev_done leads to the one before.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_run_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_run', '');

-- Most updates of a step are HOT: of the indexed columns only due, event and
-- wait_owner change, and only for a step that waits for something.
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
	event		text COLLATE "C",
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
	done_no		bigint,
	wait_start	bigint,
	wait_owner	oid,
	PRIMARY KEY (run_id, step_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);
CREATE INDEX flow_step_due ON jadugar_internal.flow_step (due) WHERE due IS NOT NULL;
CREATE INDEX flow_step_event ON jadugar_internal.flow_step (event, wait_owner, run_id, step_id) WHERE event IS NOT NULL;
COMMENT ON TABLE jadugar_internal.flow_step IS
	'Nodes that a run has reached. State w: waits for the steps that after names; r: running; c: completed; f: failed; s: skipped; x: cancelled; t: timed_out; k: compensating; u: compensated; p: compensation_failed.';
COMMENT ON COLUMN jadugar_internal.flow_step.node IS 'Number of the node in the graph.';
COMMENT ON COLUMN jadugar_internal.flow_step.done_no IS
	'Position in the order in which steps that can be compensated completed.';
COMMENT ON COLUMN jadugar_internal.flow_step.child_run IS 'Run that a sub_flow started.';
COMMENT ON COLUMN jadugar_internal.flow_step.total IS 'Number of children of a container.';
COMMENT ON COLUMN jadugar_internal.flow_step.started IS 'Number of children that have started.';
COMMENT ON COLUMN jadugar_internal.flow_step.ended IS 'Number of children that have ended.';
COMMENT ON COLUMN jadugar_internal.flow_step.succeeded IS 'Number of children that have succeeded.';
COMMENT ON COLUMN jadugar_internal.flow_step.failed IS 'Number of children that have failed.';
COMMENT ON COLUMN jadugar_internal.flow_step.waiting IS
	'Number of children that wait for their predecessors; of a loop, 1 between two passes.';
COMMENT ON COLUMN jadugar_internal.flow_step.cancelling IS
	'True while the task is being cancelled.';
COMMENT ON COLUMN jadugar_internal.flow_step.prev_done IS
	'Step that completed before this one and can be compensated.';
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
	'Subject of an open wait: signal:name, approval:name, event:type, or event:type, a blank and a key.';
COMMENT ON COLUMN jadugar_internal.flow_step.wait_start IS
	'For an open wait for an event, the row of flow_wait_start of the transaction in which it began.';
COMMENT ON COLUMN jadugar_internal.flow_step.wait_owner IS
	'For an open wait for an event, the owner of the run when it began. Waits of a role take turns with those of others.';
COMMENT ON COLUMN jadugar_internal.flow_step.due IS
	'For a wait or a container in progress, the instant at which it times out or ends.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_step', '');

CREATE SEQUENCE jadugar_internal.flow_wait_start_id_seq;
COMMENT ON SEQUENCE jadugar_internal.flow_wait_start_id_seq IS
	'Ids of transactions in which waits for events began.';
CREATE TABLE jadugar_internal.flow_wait_start (
	start_id	bigint PRIMARY KEY,
	era			integer NOT NULL,
	xid			xid8 NOT NULL,
	since_xmax	xid8 NOT NULL,
	since_xip	xid8[] NOT NULL
);
COMMENT ON TABLE jadugar_internal.flow_wait_start IS
	'Transactions in which waits for events began, until the cursor of flows has passed them. The waits take no event that since had seen.';
COMMENT ON COLUMN jadugar_internal.flow_wait_start.era IS 'Era of xid and since: event_era.';
COMMENT ON COLUMN jadugar_internal.flow_wait_start.xid IS 'The transaction.';
COMMENT ON COLUMN jadugar_internal.flow_wait_start.since_xmax IS
	'With since_xip, a snapshot taken when the transaction began to commit.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_wait_start_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_wait_start', '');

CREATE SEQUENCE jadugar_internal.flow_message_id_seq;
COMMENT ON SEQUENCE jadugar_internal.flow_message_id_seq IS 'Ids of messages to runs of flows.';
CREATE TABLE jadugar_internal.flow_message (
	message_id	bigint PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.flow_message_id_seq'),
	run_id		bigint,
	kind		"char" NOT NULL CHECK (kind IN ('s', 'v', 'e', 'a', 'c', 'd', 'f', 'p', 'u', 'r', 'k', 'x', 'o')),
	seen		boolean NOT NULL DEFAULT false,
	step_id		bigint,
	name		text,
	role		oid,
	at			timestamptz NOT NULL,
	payload		jsonb,
	wait_start	bigint
);
CREATE INDEX flow_message_run ON jadugar_internal.flow_message (run_id, message_id);
CREATE INDEX flow_message_new ON jadugar_internal.flow_message (message_id) WHERE NOT seen;
COMMENT ON TABLE jadugar_internal.flow_message IS
	'Requests to runs, and signals that no wait has consumed yet. Kind s: signal; v: verdict on an approval; e: event for a wait; a: abort; c: cancel a step; d: a sub_flow has ended; f: a task of a step has ended; p: pause; u: resume; r: retry a step; k: skip a step; x: undo a completed run; o: a run has ended (run_id null; step_id is the task that started it).';
COMMENT ON COLUMN jadugar_internal.flow_message.seen IS
	'True once the scheduler has taken it; a signal then waits for its wait_signal().';
COMMENT ON COLUMN jadugar_internal.flow_message.role IS 'Role that sent the message.';
COMMENT ON COLUMN jadugar_internal.flow_message.wait_start IS
	'For an event, flow_step.wait_start of its wait.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_message_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_message', '');

-- ------------------------------------------------------------- flows and runs

CREATE FUNCTION jadugar.create_flow(
	name text, flow jadugar.flow, description text DEFAULT NULL,
	owner text DEFAULT NULL)
	RETURNS integer
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_create_flow';
COMMENT ON FUNCTION jadugar.create_flow(text, jadugar.flow, text, text) IS
	'Saves a flow under a name as its next version. Returns the version number.';

CREATE FUNCTION jadugar.drop_flow(
	name text, runs text DEFAULT 'restrict', owner text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_drop_flow';
COMMENT ON FUNCTION jadugar.drop_flow(text, text, text) IS
	'Drops a flow, its versions and its draft. With runs set to compensate or kill, also aborts its unfinished runs.';

CREATE FUNCTION jadugar.start_flow(
	name text, input jsonb DEFAULT '{}', version integer DEFAULT NULL,
	idempotency_key text DEFAULT NULL, delay interval DEFAULT NULL,
	run_at timestamptz DEFAULT NULL, timeout interval DEFAULT NULL,
	trace text DEFAULT NULL, metadata jsonb DEFAULT NULL,
	tenant text DEFAULT NULL, owner text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_start_flow';
COMMENT ON FUNCTION jadugar.start_flow(text, jsonb, integer, text, interval, timestamptz, interval, text, jsonb, text, text) IS
	'Starts a run of a named flow and returns its id.';

CREATE FUNCTION jadugar.start_flow(
	flow jadugar.flow, input jsonb DEFAULT '{}',
	idempotency_key text DEFAULT NULL, delay interval DEFAULT NULL,
	run_at timestamptz DEFAULT NULL, timeout interval DEFAULT NULL,
	trace text DEFAULT NULL, metadata jsonb DEFAULT NULL,
	tenant text DEFAULT NULL, owner text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_start_flow_value';
COMMENT ON FUNCTION jadugar.start_flow(jadugar.flow, jsonb, text, interval, timestamptz, interval, text, jsonb, text, text) IS
	'Starts a run of a flow that has no name and returns its id.';

CREATE FUNCTION jadugar.fork_flow(run_id bigint, from_step text)
	RETURNS bigint
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_fork_flow';
COMMENT ON FUNCTION jadugar.fork_flow(bigint, text) IS
	'Starts a new run that takes over the results of another run before a step and continues from that step. Returns its id.';

-- ------------------------------------------------------------------- requests

CREATE FUNCTION jadugar.abort_flow(run_id bigint, mode text DEFAULT 'compensate')
	RETURNS boolean
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_abort_flow';
COMMENT ON FUNCTION jadugar.abort_flow(bigint, text) IS
	'Ends a run: cancels the steps in progress and, unless killed, compensates the completed ones. Returns false if the run has ended already.';

CREATE FUNCTION jadugar.pause_flow(run_id bigint)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_pause_flow';
COMMENT ON FUNCTION jadugar.pause_flow(bigint) IS
	'Starts no further steps of a run until resume_flow() is called. Running steps continue.';

CREATE FUNCTION jadugar.resume_flow(run_id bigint)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_resume_flow';
COMMENT ON FUNCTION jadugar.resume_flow(bigint) IS 'Resumes a paused run.';

CREATE FUNCTION jadugar.retry_step(run_id bigint, step text, step_id bigint DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_retry_step';
COMMENT ON FUNCTION jadugar.retry_step(bigint, text, bigint) IS
	'Runs a failed step or a failed compensation again, or makes the next attempt of a retrying step now.';

CREATE FUNCTION jadugar.skip_step(run_id bigint, step text, step_id bigint DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_skip_step';
COMMENT ON FUNCTION jadugar.skip_step(bigint, text, bigint) IS
	'Skips a step, a wait or a failed compensation, so that the run continues.';

CREATE FUNCTION jadugar.signal(run_id bigint, name text, payload jsonb DEFAULT '{}')
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_signal';
COMMENT ON FUNCTION jadugar.signal(bigint, text, jsonb) IS
	'Sends a signal to a run. The signal is kept until a wait_signal() consumes it.';

CREATE FUNCTION jadugar.approve(
	run_id bigint, name text, approved boolean DEFAULT true,
	comment text DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_approve';
COMMENT ON FUNCTION jadugar.approve(bigint, text, boolean, text) IS
	'Decides an approval() of a run in the name of the caller.';
