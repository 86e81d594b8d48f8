-- Subscriptions: event handlers, their cursors, and events that were set aside:
-- src/event/.

-- --------------------------------------------------------------------- tables

CREATE SEQUENCE jadugar_internal.subscription_id_seq;
COMMENT ON SEQUENCE jadugar_internal.subscription_id_seq IS 'Ids of subscriptions.';

CREATE TABLE jadugar_internal.subscription (
	subscription_id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.subscription_id_seq'),
	owner		oid NOT NULL,
	name		text NOT NULL,
	types		text[] NOT NULL,
	topics		integer[],
	keys		text[],
	headers		jsonb,
	filter		jsonpath,
	command_id	bigint,
	batch		integer CHECK (batch > 0),
	delivery	"char" NOT NULL CHECK (delivery IN ('i', 't', 'f')),
	on_failure	"char" NOT NULL CHECK (on_failure IN ('k', 'p', 'b')),
	max_attempts integer NOT NULL CHECK (max_attempts > 0),
	retry		jsonb,
	timeout		interval,
	isolate		boolean,
	settings	jsonb,
	versions	jsonb,
	queue_id	integer,
	priority	integer,
	shards		integer NOT NULL CHECK (shards > 0),
	enabled		boolean NOT NULL,
	paused_at	timestamptz,
	paused_by	name,
	description	text,
	metadata	jsonb,
	created_at	timestamptz NOT NULL,
	replay		boolean NOT NULL DEFAULT false,
	until_id	bigint,
	new_shards	integer CHECK (new_shards > 0),
	reshard_xmax xid8,
	reshard_xip	xid8[],
	UNIQUE (owner, name),
	CHECK ((command_id IS NULL) = (delivery = 'f'))
);
COMMENT ON TABLE jadugar_internal.subscription IS 'Event handlers.';
COMMENT ON COLUMN jadugar_internal.subscription.delivery IS 'i inline, t task, f fetch.';
COMMENT ON COLUMN jadugar_internal.subscription.on_failure IS 'k park_key, p park, b block.';

COMMENT ON COLUMN jadugar_internal.subscription.replay IS
	'It has an end: the window that was open when it was made, and until_id.';

COMMENT ON COLUMN jadugar_internal.subscription.new_shards IS
	'Number of shards that begin when the present ones have come to the snapshot reshard. NULL: no change is under way.';

CREATE INDEX subscription_command ON jadugar_internal.subscription (command_id);

CREATE TABLE jadugar_internal.event_cursor (
	subscription_id bigint NOT NULL,
	shard		integer NOT NULL,
	era			integer NOT NULL,
	base_xmax	xid8,
	base_xip	xid8[],
	upto_xmax	xid8,
	upto_xip	xid8[],
	after_id	bigint NOT NULL DEFAULT 0,
	handled		bigint NOT NULL DEFAULT 0,
	failed		bigint NOT NULL DEFAULT 0,
	parked		bigint NOT NULL DEFAULT 0,
	in_a_row	integer NOT NULL DEFAULT 0,
	retry_at	timestamptz,
	blocked_id	bigint,
	attempts	integer NOT NULL DEFAULT 0,
	errors		jsonb,
	last_event_id bigint,
	last_handled_at timestamptz,
	charged		"char" CHECK (charged IN ('r', 'd')),
	lost_at		timestamptz,
	last_window	boolean NOT NULL DEFAULT false,
	done		boolean NOT NULL DEFAULT false,
	epoch		bigint NOT NULL DEFAULT 0,
	secret		bigint,
	consumer	text,
	lease_until	timestamptz,
	given		bigint[],
	given_aside	boolean,
	given_end	boolean,
	behind		boolean NOT NULL DEFAULT false,
	PRIMARY KEY (subscription_id, shard)
) WITH (fillfactor = 50);
COMMENT ON TABLE jadugar_internal.event_cursor IS
	'Positions in the log: one row for each shard of a subscription, and rows with subscription_id 0 while runs of flows wait for events (src/flow/README.md). The events that upto has seen and base had not are the window that is handled now, in order of ids from after_id.';
COMMENT ON COLUMN jadugar_internal.event_cursor.era IS
	'Era of base and upto: event_era. One before the present era is finished first.';
COMMENT ON COLUMN jadugar_internal.event_cursor.behind IS
	'True from an event on that had waited for more than 10 seconds, until the shard has no events to come.';
COMMENT ON COLUMN jadugar_internal.event_cursor.in_a_row IS
	'Number of failures since an event was last handled.';
COMMENT ON COLUMN jadugar_internal.event_cursor.retry_at IS
	'Until then the shard waits, after failures.';
COMMENT ON COLUMN jadugar_internal.event_cursor.blocked_id IS
	'Event that the shard waits for, with on_failure block, or as no task can be made of it.';
COMMENT ON COLUMN jadugar_internal.event_cursor.attempts IS
	'Attempts of that event that failed.';
COMMENT ON COLUMN jadugar_internal.event_cursor.charged IS
	'blocked_id has failed outside its turn, as its worker died: r: it is to be tried again; d: it is dead. Takes effect when the position comes to it.';
COMMENT ON COLUMN jadugar_internal.event_cursor.epoch IS
	'Number of leases of the shard that have begun, with delivery fetch.';
COMMENT ON COLUMN jadugar_internal.event_cursor.secret IS
	'Distinguishes the lease from that of the same epoch in a copy of the database.';
COMMENT ON COLUMN jadugar_internal.event_cursor.given IS
	'Events of the lease that are not acknowledged. NULL: the shard is free.';
COMMENT ON COLUMN jadugar_internal.event_cursor.given_aside IS
	'Was the event of the lease set aside before?';
COMMENT ON COLUMN jadugar_internal.event_cursor.given_end IS
	'Has the window no event after those of the lease?';

COMMENT ON COLUMN jadugar_internal.event_cursor.lost_at IS
	'When events were dropped that the shard had not handled. It waits until a role decides.';
COMMENT ON COLUMN jadugar_internal.event_cursor.last_window IS
	'The shard is of a replay: it is done when the window is that was open at its begin.';
COMMENT ON COLUMN jadugar_internal.event_cursor.done IS
	'The shard of a replay has reached its end. Events that were set aside may still be tried again.';

CREATE TABLE jadugar_internal.parked (
	subscription_id bigint NOT NULL,
	event_id	bigint NOT NULL,
	shard		integer NOT NULL,
	type		text NOT NULL,
	key			text,
	holds_key	boolean NOT NULL,
	state		"char" NOT NULL CHECK (state IN ('r', 'h', 'd')),
	attempts	integer NOT NULL,
	next_at		timestamptz,
	errors		jsonb NOT NULL,
	parked_at	timestamptz NOT NULL,
	topic_id	integer,
	event		jsonb,
	PRIMARY KEY (subscription_id, event_id)
);
COMMENT ON TABLE jadugar_internal.parked IS
	'Events that a subscription has set aside: references to the log.';
COMMENT ON COLUMN jadugar_internal.parked.event IS
	'Copy of the row of the log, made before its partition was dropped; topic_id is its topic.';
COMMENT ON COLUMN jadugar_internal.parked.holds_key IS
	'Are later events of its key held behind it?';
COMMENT ON COLUMN jadugar_internal.parked.state IS
	'r: to be tried again at next_at; h: held behind an earlier event of its key; d: dead.';

CREATE INDEX parked_key ON jadugar_internal.parked (subscription_id, key, event_id) WHERE holds_key;
CREATE INDEX parked_event ON jadugar_internal.parked (event_id, subscription_id) WHERE event IS NULL;
CREATE INDEX parked_due ON jadugar_internal.parked (subscription_id, shard, next_at, event_id) WHERE state = 'r';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.subscription_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.subscription', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.event_cursor', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.parked', '');

-- ------------------------------------------------------------------ functions

CREATE FUNCTION jadugar.subscribe(
	name			text,
	types			text[],
	handler			text DEFAULT NULL,
	topics			text[] DEFAULT NULL,
	keys			text[] DEFAULT NULL,
	headers			jsonb DEFAULT NULL,
	filter			jsonpath DEFAULT NULL,
	start			text DEFAULT 'now',
	start_time		timestamptz DEFAULT NULL,
	start_after		bigint DEFAULT NULL,
	shards			integer DEFAULT 1,
	batch			integer DEFAULT NULL,
	delivery		text DEFAULT 'inline',
	on_failure		text DEFAULT 'park_key',
	max_attempts	integer DEFAULT 10,
	retry			jsonb DEFAULT NULL,
	timeout			interval DEFAULT NULL,
	isolate			boolean DEFAULT NULL,
	settings		jsonb DEFAULT NULL,
	versions		jsonb DEFAULT NULL,
	queue			text DEFAULT NULL,
	priority		integer DEFAULT NULL,
	enabled			boolean DEFAULT true,
	description		text DEFAULT NULL,
	metadata		jsonb DEFAULT NULL,
	owner			text DEFAULT NULL,
	or_replace		boolean DEFAULT false
) RETURNS bigint
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_subscribe';
COMMENT ON FUNCTION jadugar.subscribe IS
	'Creates a subscription, which calls a handler, makes a task or waits for consumers once for each event of the given types, and returns its id.';

CREATE FUNCTION jadugar.alter_subscription(
	name			text,
	types			text[] DEFAULT NULL,
	handler			text DEFAULT NULL,
	topics			text[] DEFAULT NULL,
	keys			text[] DEFAULT NULL,
	headers			jsonb DEFAULT NULL,
	filter			jsonpath DEFAULT NULL,
	shards			integer DEFAULT NULL,
	batch			integer DEFAULT NULL,
	delivery		text DEFAULT NULL,
	on_failure		text DEFAULT NULL,
	max_attempts	integer DEFAULT NULL,
	retry			jsonb DEFAULT NULL,
	timeout			interval DEFAULT NULL,
	isolate			boolean DEFAULT NULL,
	settings		jsonb DEFAULT NULL,
	versions		jsonb DEFAULT NULL,
	queue			text DEFAULT NULL,
	priority		integer DEFAULT NULL,
	enabled			boolean DEFAULT NULL,
	description		text DEFAULT NULL,
	metadata		jsonb DEFAULT NULL,
	owner			text DEFAULT NULL,
	reset			text[] DEFAULT NULL,
	new_name		text DEFAULT NULL
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_alter_subscription';
COMMENT ON FUNCTION jadugar.alter_subscription IS
	'Changes a subscription. Arguments that are NULL leave their option as it is.';

CREATE FUNCTION jadugar.unsubscribe(
	name			text,
	dead_letters	text DEFAULT 'restrict',
	owner			text DEFAULT NULL
) RETURNS boolean
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_unsubscribe';
COMMENT ON FUNCTION jadugar.unsubscribe IS
	'Drops a subscription. Returns false if it does not exist.';

CREATE FUNCTION jadugar.pause_subscription(name text, owner text DEFAULT NULL) RETURNS boolean
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_pause_subscription';
COMMENT ON FUNCTION jadugar.pause_subscription IS
	'Pauses a subscription: no further events are handled. Returns false if it was paused already.';

CREATE FUNCTION jadugar.resume_subscription(
	name			text,
	lost			text DEFAULT 'stop',
	owner			text DEFAULT NULL
) RETURNS boolean
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_resume_subscription';
COMMENT ON FUNCTION jadugar.resume_subscription IS
	'Resumes a subscription that was paused or, with lost => ''skip'', has lost its position. Returns false if it was neither.';

CREATE FUNCTION jadugar.seek(
	name			text,
	start			text DEFAULT NULL,
	start_time		timestamptz DEFAULT NULL,
	start_after		bigint DEFAULT NULL,
	owner			text DEFAULT NULL
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_seek';
COMMENT ON FUNCTION jadugar.seek IS
	'Moves the position of a paused subscription. Events that were set aside stay.';

CREATE FUNCTION jadugar.replay(
	name			text,
	into_name		text,
	handler			text DEFAULT NULL,
	start_time		timestamptz DEFAULT NULL,
	start_after		bigint DEFAULT NULL,
	until_time		timestamptz DEFAULT NULL,
	until_id		bigint DEFAULT NULL,
	shards			integer DEFAULT NULL,
	batch			integer DEFAULT NULL,
	owner			text DEFAULT NULL
) RETURNS bigint
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_replay';
COMMENT ON FUNCTION jadugar.replay IS
	'Creates a subscription with the options of another one, which handles the events that are in the log again and then ends. Returns its id.';

CREATE FUNCTION jadugar.redrive(
	subscription	text,
	event_ids		bigint[] DEFAULT NULL,
	key				text DEFAULT NULL,
	error_code		text DEFAULT NULL,
	owner			text DEFAULT NULL
) RETURNS bigint
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_redrive';
COMMENT ON FUNCTION jadugar.redrive IS
	'Makes dead events of a subscription due again, and returns their number.';

CREATE FUNCTION jadugar.discard_events(
	subscription	text,
	event_ids		bigint[] DEFAULT NULL,
	key				text DEFAULT NULL,
	error_code		text DEFAULT NULL,
	owner			text DEFAULT NULL
) RETURNS bigint
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_discard_events';
COMMENT ON FUNCTION jadugar.discard_events IS
	'Gives up events that a subscription has set aside, and returns their number. Those held behind them go on.';

CREATE FUNCTION jadugar.fetch_events(
	subscription	text,
	consumer		text,
	max_rows		integer DEFAULT 100,
	lease			interval DEFAULT '00:00:30',
	ack				text DEFAULT NULL,
	owner			text DEFAULT NULL,
	OUT token text, OUT shard integer, OUT attempt integer, OUT event jadugar.event_info
) RETURNS SETOF record
LANGUAGE C ROWS 100 AS 'MODULE_PATHNAME', 'jdg_fetch_events';
COMMENT ON FUNCTION jadugar.fetch_events IS
	'Leases a shard of a subscription with delivery fetch to a consumer, and returns its next events.';

CREATE FUNCTION jadugar.ack(token text, up_to bigint DEFAULT NULL) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_ack';
COMMENT ON FUNCTION jadugar.ack IS
	'Acknowledges events of a lease, all or up to one: moves the position of the shard past them.';

CREATE FUNCTION jadugar.nack(
	token			text,
	event_id		bigint,
	error			text DEFAULT NULL,
	retry_in		interval DEFAULT NULL,
	dead			boolean DEFAULT false
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_nack';
COMMENT ON FUNCTION jadugar.nack IS
	'Says that the first event of a lease has failed, and ends the lease.';

CREATE FUNCTION jadugar.extend_lease(token text, lease interval) RETURNS timestamptz
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_extend_lease';
COMMENT ON FUNCTION jadugar.extend_lease IS
	'Makes a lease end later, and returns when.';

CREATE FUNCTION jadugar.release_lease(token text) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_release_lease';
COMMENT ON FUNCTION jadugar.release_lease IS
	'Ends a lease. Events that are not acknowledged come again, and no attempt is counted.';

CREATE PROCEDURE jadugar.wait_events(
	subscription	text,
	timeout			interval DEFAULT '00:00:30',
	owner			text DEFAULT NULL,
	INOUT news		boolean DEFAULT NULL
)
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_wait_events';
COMMENT ON PROCEDURE jadugar.wait_events IS
	'Waits until events of a subscription with delivery fetch may be fetched.';

CREATE FUNCTION jadugar.wait_delivered(
	event_id		bigint,
	by				text[] DEFAULT NULL,
	timeout			interval DEFAULT NULL,
	owner			text DEFAULT NULL
) RETURNS text
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_wait_delivered';
COMMENT ON FUNCTION jadugar.wait_delivered IS
	'Waits until subscriptions have handled an event. Returns handled, parked or timeout.';

CREATE FUNCTION jadugar_internal._v_run_event(name text, event_id bigint, subscription_owner text) RETURNS jsonb
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'jdg_run_event_here';
COMMENT ON FUNCTION jadugar_internal._v_run_event IS
	'Runs the handler of a subscription in the calling transaction. Returns a task_info as jsonb.';

CREATE FUNCTION jadugar.run_event(name text, event_id bigint, owner text DEFAULT NULL) RETURNS jadugar.task_info
LANGUAGE sql VOLATILE
RETURN pg_catalog.jsonb_populate_record(
	NULL::jadugar.task_info, jadugar_internal._v_run_event(name, event_id, owner));
COMMENT ON FUNCTION jadugar.run_event IS
	'Runs the handler of a subscription for an event in the calling transaction, and delivers nothing. For tests of handlers.';

CREATE FUNCTION jadugar.current_event(
	OUT event jadugar.event_info, OUT subscription text, OUT shard integer, OUT attempt integer,
	OUT replay boolean
)
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_current_event';
COMMENT ON FUNCTION jadugar.current_event() IS
	'Returns the event that the running handler of a subscription handles.';
