-- Views of subscriptions and of the events that they have set aside: src/event/.

CREATE FUNCTION jadugar_internal._v_behind(subscription_id bigint, shard integer) RETURNS bigint
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'jdg_v_behind';
COMMENT ON FUNCTION jadugar_internal._v_behind(bigint, integer) IS
	'Returns the number of events that a shard has not passed, at most 100,000. NULL: none of the next 200,000 events is for it.';

CREATE FUNCTION jadugar_internal._v_lag(subscription_id bigint, shard integer) RETURNS interval
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'jdg_v_lag';
COMMENT ON FUNCTION jadugar_internal._v_lag(bigint, integer) IS
	'Returns the age of the next event that a shard has not passed, or 0. NULL: none of the next 200,000 events is for it.';

CREATE FUNCTION jadugar_internal._v_role_obstacle(role oid) RETURNS text
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'jdg_v_role_obstacle';
COMMENT ON FUNCTION jadugar_internal._v_role_obstacle(oid) IS
	'Returns why work of a role cannot run: owner_missing, owner_nologin, owner_noconnect, workers_stopped, or NULL.';

CREATE FUNCTION jadugar_internal._v_awaits_room(subscription_id bigint, shard integer)
RETURNS boolean
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'jdg_v_awaits_room';
COMMENT ON FUNCTION jadugar_internal._v_awaits_room(bigint, integer) IS
	'Returns whether a shard waits for room in the queue of its tasks.';

CREATE FUNCTION jadugar_internal._v_lacks_room(subscription_id bigint, shard integer)
RETURNS boolean
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'jdg_v_lacks_room';
COMMENT ON FUNCTION jadugar_internal._v_lacks_room(bigint, integer) IS
	'Returns whether a shard gets no events because jadugar.max_shards is too low.';

-- Consumers outside the server need neither a worker nor jadugar.enabled.
CREATE VIEW jadugar_internal._subscription_hold WITH (security_barrier) AS
SELECT s.subscription_id,
	COALESCE(
		CASE WHEN s.delivery <> 'f' OR h.reason <> 'disabled' THEN h.reason END,
		CASE WHEN s.delivery <> 'f' OR a.oid IS NULL
			THEN jadugar_internal._v_role_obstacle(s.owner) END) AS reason
FROM jadugar_internal.subscription s
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = s.owner
	CROSS JOIN jadugar_internal._hold h;
COMMENT ON VIEW jadugar_internal._subscription_hold IS
	'Reasons why no shard of a subscription can be served.';

-- The planner replaces calls of these two by their bodies, as each uses an
-- argument once. So an argument is evaluated only if those before it are not
-- enough.
CREATE FUNCTION jadugar_internal._v_waiting_reason(
	hold text, lacks_room boolean, backs_off boolean, queue_is_full boolean)
RETURNS text LANGUAGE sql IMMUTABLE
RETURN COALESCE(hold, CASE
	WHEN lacks_room THEN 'no_room'
	WHEN backs_off THEN 'backoff'
	WHEN queue_is_full THEN 'queue_full'
END);
COMMENT ON FUNCTION jadugar_internal._v_waiting_reason(text, boolean, boolean, boolean) IS
	'Returns why a shard, or a subscription, waits, or NULL.';

CREATE FUNCTION jadugar_internal._v_status_reason(status text, waiting text, any_parked boolean)
RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE status
	WHEN 'waiting' THEN waiting
	WHEN 'lost' THEN 'events_dropped'
	WHEN 'blocked' THEN 'event_failed'
	WHEN 'done' THEN CASE WHEN any_parked THEN 'dead_letters' END
END;
COMMENT ON FUNCTION jadugar_internal._v_status_reason(text, text, boolean) IS
	'Returns why a shard, or a subscription, has a status, or NULL.';

CREATE VIEW jadugar.subscription_shards WITH (security_barrier) AS
SELECT s.name AS subscription,
	COALESCE(a.rolname, s.owner::text::name) AS owner,
	c.shard,
	t.status,
	jadugar_internal._v_status_reason(t.status, w.reason, c.parked > 0) AS reason,
	c.handled,
	c.failed,
	c.parked,
	c.in_a_row,
	c.retry_at,
	c.blocked_id,
	c.attempts,
	CASE WHEN jadugar_internal._v_owns(s.owner) OR (SELECT jadugar_internal._v_is_operator())
		THEN c.errors->-1 END AS error,
	c.last_event_id,
	c.last_handled_at,
	jadugar_internal._v_behind(c.subscription_id, c.shard) AS behind,
	jadugar_internal._v_lag(c.subscription_id, c.shard) AS lag,
	c.lost_at,
	c.consumer AS holder,
	c.lease_until,
	c.epoch
FROM jadugar_internal.subscription s
	JOIN jadugar_internal.event_cursor c ON c.subscription_id = s.subscription_id
	LEFT JOIN jadugar_internal._subscription_hold h ON h.subscription_id = s.subscription_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = s.owner
	CROSS JOIN LATERAL (SELECT jadugar_internal._v_waiting_reason(h.reason,
			jadugar_internal._v_lacks_room(c.subscription_id, c.shard),
			c.retry_at > pg_catalog.now(),
			s.delivery = 't' AND jadugar_internal._v_awaits_room(c.subscription_id, c.shard)) AS reason) w
	CROSS JOIN LATERAL (SELECT CASE
			WHEN c.lost_at IS NOT NULL THEN 'lost'
			WHEN c.done AND NOT EXISTS (SELECT FROM jadugar_internal.parked p
				WHERE p.subscription_id = c.subscription_id AND p.shard = c.shard AND p.state = 'r')
				THEN 'done'
			WHEN NOT s.enabled OR s.paused_at IS NOT NULL THEN 'paused'
			WHEN c.retry_at = 'infinity' THEN 'blocked'
			WHEN w.reason IS NOT NULL THEN 'waiting'
			ELSE 'active'
		END AS status) t
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(s.owner);
COMMENT ON VIEW jadugar.subscription_shards IS 'Shards of subscriptions, and their positions.';
COMMENT ON COLUMN jadugar.subscription_shards.subscription IS 'Name of the subscription.';
COMMENT ON COLUMN jadugar.subscription_shards.owner IS 'Role that owns the subscription.';
COMMENT ON COLUMN jadugar.subscription_shards.shard IS 'Number of the shard, from 0.';
COMMENT ON COLUMN jadugar.subscription_shards.status IS
	'Status: active, waiting (see reason), blocked (by blocked_id), paused, lost, or done (the end of a replay).';
COMMENT ON COLUMN jadugar.subscription_shards.reason IS
	'Reason for the status, as in jadugar.subscriptions. The reason backoff lasts until retry_at.';
COMMENT ON COLUMN jadugar.subscription_shards.handled IS 'Number of events handled.';
COMMENT ON COLUMN jadugar.subscription_shards.failed IS 'Number of failed calls of the handler.';
COMMENT ON COLUMN jadugar.subscription_shards.parked IS 'Number of events set aside.';
COMMENT ON COLUMN jadugar.subscription_shards.in_a_row IS
	'Number of failures since an event was last handled.';
COMMENT ON COLUMN jadugar.subscription_shards.retry_at IS 'When the shard goes on, after failures.';
COMMENT ON COLUMN jadugar.subscription_shards.blocked_id IS
	'Event that the shard waits for, with on_failure block, or as no task can be made of it; or that failed as its worker died, until it is set aside.';
COMMENT ON COLUMN jadugar.subscription_shards.attempts IS 'Failed attempts of that event.';
COMMENT ON COLUMN jadugar.subscription_shards.error IS
	'Error of its last attempt. NULL for a monitor.';
COMMENT ON COLUMN jadugar.subscription_shards.last_event_id IS 'Event that was handled last.';
COMMENT ON COLUMN jadugar.subscription_shards.last_handled_at IS 'When it was handled.';
COMMENT ON COLUMN jadugar.subscription_shards.behind IS
	'Number of events to come, at most 100,000. Events that were set aside do not count. NULL: not known.';
COMMENT ON COLUMN jadugar.subscription_shards.lag IS 'Age of the next event to come. 0: there is none. NULL: not known.';
COMMENT ON COLUMN jadugar.subscription_shards.lost_at IS
	'When events that it had not handled were dropped. NULL: none were.';
COMMENT ON COLUMN jadugar.subscription_shards.holder IS
	'Consumer that has leased the shard. NULL: none.';
COMMENT ON COLUMN jadugar.subscription_shards.lease_until IS
	'When another consumer may take the shard over.';
COMMENT ON COLUMN jadugar.subscription_shards.epoch IS 'Number of leases that have begun.';

CREATE VIEW jadugar.subscriptions WITH (security_barrier) AS
SELECT s.subscription_id,
	s.name,
	COALESCE(a.rolname, s.owner::text::name) AS owner,
	s.types,
	(SELECT pg_catalog.array_agg(t.name ORDER BY t.name) FROM jadugar_internal.topic t
		WHERE t.topic_id = ANY (s.topics)) AS topics,
	s.keys,
	s.headers,
	s.filter,
	m.text AS handler,
	s.batch,
	CASE s.delivery WHEN 'i' THEN 'inline' WHEN 't' THEN 'task' ELSE 'fetch' END AS delivery,
	CASE s.on_failure WHEN 'k' THEN 'park_key' WHEN 'p' THEN 'park' ELSE 'block' END AS on_failure,
	s.max_attempts,
	s.retry,
	s.timeout,
	s.isolate,
	CASE WHEN jadugar_internal._v_owns(s.owner) OR (SELECT jadugar_internal._v_is_operator())
		THEN s.settings END AS settings,
	s.versions,
	q.name AS queue,
	s.priority,
	s.shards,
	t.status,
	jadugar_internal._v_status_reason(t.status, w.reason, c.parked > 0) AS reason,
	c.handled,
	c.failed,
	c.parked,
	(SELECT count(*) FROM jadugar_internal.parked p
		WHERE p.subscription_id = s.subscription_id AND p.state = 'd') AS dead,
	c.last_event_id,
	c.last_handled_at,
	(SELECT pg_catalog.sum(jadugar_internal._v_behind(x.subscription_id, x.shard))::bigint
		FROM jadugar_internal.event_cursor x
		WHERE x.subscription_id = s.subscription_id) AS behind,
	(SELECT pg_catalog.max(jadugar_internal._v_lag(x.subscription_id, x.shard))
		FROM jadugar_internal.event_cursor x
		WHERE x.subscription_id = s.subscription_id) AS lag,
	s.paused_at,
	s.paused_by,
	s.created_at,
	s.description,
	CASE WHEN jadugar_internal._v_owns(s.owner) OR (SELECT jadugar_internal._v_is_operator())
		THEN s.metadata END AS metadata,
	s.replay,
	s.until_id,
	s.new_shards
FROM jadugar_internal.subscription s
	LEFT JOIN jadugar_internal.command m ON m.command_id = s.command_id
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = s.queue_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = s.owner
	CROSS JOIN LATERAL (SELECT
			count(*) FILTER (WHERE x.lost_at IS NOT NULL) AS lost,
			pg_catalog.bool_and(x.done) AS done,
			count(*) FILTER (WHERE x.retry_at = 'infinity') AS blocked,
			count(*) FILTER (WHERE x.retry_at > pg_catalog.now()) AS waiting,
			COALESCE(pg_catalog.bool_or(s.delivery = 't' AND
				jadugar_internal._v_awaits_room(x.subscription_id, x.shard)), false) AS full,
			COALESCE(pg_catalog.bool_or(x.lost_at IS NULL AND NOT x.done AND
				jadugar_internal._v_lacks_room(x.subscription_id, x.shard)), false) AS left_out,
			pg_catalog.sum(x.handled)::bigint AS handled,
			pg_catalog.sum(x.failed)::bigint AS failed,
			pg_catalog.sum(x.parked)::bigint AS parked,
			pg_catalog.max(x.last_event_id) AS last_event_id,
			pg_catalog.max(x.last_handled_at) AS last_handled_at
		FROM jadugar_internal.event_cursor x
		WHERE x.subscription_id = s.subscription_id) c
	LEFT JOIN jadugar_internal._subscription_hold h ON h.subscription_id = s.subscription_id
	CROSS JOIN LATERAL (SELECT jadugar_internal._v_waiting_reason(
			h.reason, c.left_out, c.waiting > 0, c.full) AS reason) w
	CROSS JOIN LATERAL (SELECT CASE
			WHEN c.lost > 0 THEN 'lost'
			WHEN c.done AND NOT EXISTS (SELECT FROM jadugar_internal.parked p
				WHERE p.subscription_id = s.subscription_id AND p.state = 'r')
				THEN 'done'
			WHEN NOT s.enabled OR s.paused_at IS NOT NULL THEN 'paused'
			WHEN c.blocked > 0 THEN 'blocked'
			WHEN w.reason IS NOT NULL THEN 'waiting'
			WHEN s.new_shards IS NOT NULL THEN 'resharding'
			ELSE 'active'
		END AS status) t
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(s.owner);
COMMENT ON VIEW jadugar.subscriptions IS 'Subscriptions: handlers of events.';
COMMENT ON COLUMN jadugar.subscriptions.subscription_id IS 'Id of the subscription.';
COMMENT ON COLUMN jadugar.subscriptions.name IS 'Name, unique per owner.';
COMMENT ON COLUMN jadugar.subscriptions.owner IS 'Role as which the handler runs.';
COMMENT ON COLUMN jadugar.subscriptions.types IS 'Types and patterns of types.';
COMMENT ON COLUMN jadugar.subscriptions.topics IS 'Topics. NULL: all that the owner may read.';
COMMENT ON COLUMN jadugar.subscriptions.keys IS 'Keys of the events. NULL: any.';
COMMENT ON COLUMN jadugar.subscriptions.headers IS 'Headers that the events have. NULL: any.';
COMMENT ON COLUMN jadugar.subscriptions.filter IS 'Predicate over the events. NULL: none.';
COMMENT ON COLUMN jadugar.subscriptions.handler IS 'SQL, or the name of a handler. NULL: delivery is fetch.';
COMMENT ON COLUMN jadugar.subscriptions.batch IS
	'Maximum number of events in a call. NULL: one, not as an array.';
COMMENT ON COLUMN jadugar.subscriptions.delivery IS
	'inline: the handler is called with the position. task: each event becomes a task. fetch: consumers fetch the events.';
COMMENT ON COLUMN jadugar.subscriptions.on_failure IS
	'What happens to an event whose handler fails: park_key, park or block.';
COMMENT ON COLUMN jadugar.subscriptions.max_attempts IS
	'Number of attempts after which an event is dead.';
COMMENT ON COLUMN jadugar.subscriptions.retry IS 'Retry policy. NULL: the default.';
COMMENT ON COLUMN jadugar.subscriptions.timeout IS 'Maximum duration of a call. NULL: none.';
COMMENT ON COLUMN jadugar.subscriptions.isolate IS
	'Has each call, or task, its own transaction? NULL: the default.';
COMMENT ON COLUMN jadugar.subscriptions.settings IS 'Settings for the calls. NULL for a monitor.';
COMMENT ON COLUMN jadugar.subscriptions.versions IS
	'Versions of types in which it gets the data. NULL: the latest.';
COMMENT ON COLUMN jadugar.subscriptions.queue IS 'Queue of its tasks. NULL: the default.';
COMMENT ON COLUMN jadugar.subscriptions.priority IS 'Priority of its tasks. NULL: the default.';
COMMENT ON COLUMN jadugar.subscriptions.shards IS
	'Number of shards, which handle events side by side.';
COMMENT ON COLUMN jadugar.subscriptions.status IS
	'Status: active, waiting, blocked or lost (at least one shard is), paused, done (a replay has ended, and no event is to be tried again), or resharding (until new_shards begin).';
COMMENT ON COLUMN jadugar.subscriptions.reason IS
	'Reason. Waiting: owner_missing, owner_nologin, owner_noconnect, workers_stopped, paused (pause_all() is in force), disabled, not_adopted, no_room (see jadugar.max_shards), backoff (after failures), or queue_full. Lost: events_dropped. Blocked: event_failed. Done: dead_letters, if some are left. Otherwise NULL.';
COMMENT ON COLUMN jadugar.subscriptions.handled IS 'Number of events handled.';
COMMENT ON COLUMN jadugar.subscriptions.failed IS 'Number of failed calls of the handler.';
COMMENT ON COLUMN jadugar.subscriptions.parked IS 'Number of events set aside, dead ones included.';
COMMENT ON COLUMN jadugar.subscriptions.dead IS 'Number of events that are not tried again.';
COMMENT ON COLUMN jadugar.subscriptions.last_event_id IS 'Highest event that was handled last in a shard.';
COMMENT ON COLUMN jadugar.subscriptions.last_handled_at IS 'When an event was last handled.';
COMMENT ON COLUMN jadugar.subscriptions.behind IS
	'Number of events to come, at most 100,000 for each shard. Events that were set aside do not count. NULL: not known.';
COMMENT ON COLUMN jadugar.subscriptions.lag IS 'Age of the next event to come. 0: there is none. NULL: not known.';
COMMENT ON COLUMN jadugar.subscriptions.paused_at IS 'When it was paused. NULL: it is not.';
COMMENT ON COLUMN jadugar.subscriptions.paused_by IS 'Role that paused it.';
COMMENT ON COLUMN jadugar.subscriptions.created_at IS 'When it was created.';
COMMENT ON COLUMN jadugar.subscriptions.description IS 'Text for readers.';
COMMENT ON COLUMN jadugar.subscriptions.metadata IS 'Data of the application. NULL for a monitor.';
COMMENT ON COLUMN jadugar.subscriptions.replay IS 'Whether it is a replay, which has an end.';
COMMENT ON COLUMN jadugar.subscriptions.until_id IS
	'Last event that a replay handles. NULL: the last one that there was when it began.';
COMMENT ON COLUMN jadugar.subscriptions.new_shards IS
	'Number of shards that begin when the present ones have ended. NULL: no change is under way.';

CREATE VIEW jadugar.dead_letters WITH (security_barrier) AS
SELECT s.name AS subscription,
	COALESCE(a.rolname, s.owner::text::name) AS owner,
	p.event_id,
	p.type,
	p.key,
	CASE p.state WHEN 'r' THEN 'retrying' WHEN 'h' THEN 'held' ELSE 'dead' END AS state,
	p.attempts,
	p.next_at,
	jadugar_internal._v_error_name(p.errors->-1->>'sqlstate') AS error_code,
	p.errors->-1->>'sqlstate' AS sqlstate,
	CASE WHEN jadugar_internal._v_owns(s.owner) OR (SELECT jadugar_internal._v_is_operator())
		THEN p.errors END AS errors,
	p.parked_at
FROM jadugar_internal.parked p
	JOIN jadugar_internal.subscription s ON s.subscription_id = p.subscription_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = s.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(s.owner)
		AND (NOT (SELECT jadugar_internal._v_is_confined())
			OR jadugar_internal._v_sees(s.owner, COALESCE(p.event->>'tenant',
				(SELECT e.tenant FROM jadugar_internal.event e
				WHERE e.event_id = p.event_id))));
COMMENT ON VIEW jadugar.dead_letters IS
	'Events that subscriptions have set aside: to be tried again, held behind an earlier event of their key, or dead.';
COMMENT ON COLUMN jadugar.dead_letters.subscription IS 'Name of the subscription.';
COMMENT ON COLUMN jadugar.dead_letters.owner IS 'Role that owns the subscription.';
COMMENT ON COLUMN jadugar.dead_letters.event_id IS 'Id of the event.';
COMMENT ON COLUMN jadugar.dead_letters.type IS 'Type of the event.';
COMMENT ON COLUMN jadugar.dead_letters.key IS 'Key of the event.';
COMMENT ON COLUMN jadugar.dead_letters.state IS 'State: retrying, held or dead.';
COMMENT ON COLUMN jadugar.dead_letters.attempts IS 'Number of failed attempts.';
COMMENT ON COLUMN jadugar.dead_letters.next_at IS 'When it is tried again.';
COMMENT ON COLUMN jadugar.dead_letters.error_code IS
	'Name of the last error, as in the view error_codes.';
COMMENT ON COLUMN jadugar.dead_letters.sqlstate IS 'SQLSTATE of the last error.';
COMMENT ON COLUMN jadugar.dead_letters.errors IS
	'Errors of the last five attempts. NULL for a monitor.';
COMMENT ON COLUMN jadugar.dead_letters.parked_at IS 'When it was set aside.';
