-- Views of topics, event types and events: src/event/.

-- The functions look at topics and partitions as they are now: a transaction
-- that keeps its snapshot may have published in a newer partition.

CREATE FUNCTION jadugar_internal._v_event_access(
	leaf integer, type text, publisher oid, version integer, published_at timestamptz,
	tenant text)
RETURNS integer
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_v_event_access';
COMMENT ON FUNCTION jadugar_internal._v_event_access(integer, text, oid, integer, timestamptz, text) IS
	'Returns how much of an event the caller may see: 0 nothing, 1 all but data and headers, 2 all.';

CREATE FUNCTION jadugar_internal._v_event_topic(leaf integer) RETURNS text
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'jdg_v_event_topic';
COMMENT ON FUNCTION jadugar_internal._v_event_topic(integer) IS
	'Returns the name of the topic to which a partition of the event log belongs.';

CREATE VIEW jadugar.topics WITH (security_barrier) AS
SELECT t.name,
	COALESCE(a.rolname, t.owner::text::name) AS owner,
	t.retention,
	t.keep,
	t.roll,
	t.index_keys,
	t.registered_only,
	t.max_backlog,
	t.full_since,
	CASE WHEN h.shown THEN h.name END AS full_by,
	CASE WHEN h.shown THEN h.owner END AS full_by_owner,
	t.max_hold,
	t.on_expire,
	CASE WHEN NOT (SELECT jadugar_internal._v_is_confined())
			OR jadugar_internal._v_owns(t.owner)
		THEN (SELECT count(*) FROM jadugar_internal.event_leaf l
			WHERE l.topic_id = t.topic_id) END AS partitions,
	t.created_at,
	t.description
FROM jadugar_internal.topic t
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = t.owner
	LEFT JOIN LATERAL (SELECT s.name,
			COALESCE(r.rolname, s.owner::text::name) AS owner,
			(SELECT jadugar_internal._v_is_monitor())
				OR jadugar_internal._v_owns(t.owner)
				OR jadugar_internal._v_owns(s.owner) AS shown
		FROM jadugar_internal.subscription s
			LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.owner
		WHERE s.subscription_id = t.full_by) h ON true
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR t.topic_id < 10 AND (SELECT jadugar_internal._v_has_access())
	OR jadugar_internal._v_owns(t.owner)
	OR EXISTS (SELECT FROM jadugar_internal.event_grant g
		WHERE g.topic_id = t.topic_id AND jadugar_internal._v_owns(g.role))
	OR EXISTS (SELECT FROM jadugar_internal.event_type y
		WHERE y.topic_id = t.topic_id AND jadugar_internal._v_owns(y.owner));
COMMENT ON VIEW jadugar.topics IS
	'Topics: parts of the event log with their own retention and privileges.';
COMMENT ON COLUMN jadugar.topics.name IS 'Name of the topic.';
COMMENT ON COLUMN jadugar.topics.owner IS 'Role that owns the topic.';
COMMENT ON COLUMN jadugar.topics.retention IS
	'Time for which its events are kept. NULL: jadugar.event_retention.';
COMMENT ON COLUMN jadugar.topics.keep IS 'Whether its events are kept without a limit.';
COMMENT ON COLUMN jadugar.topics.roll IS
	'Time after which a new partition begins: hour, day or month.';
COMMENT ON COLUMN jadugar.topics.index_keys IS
	'Whether new partitions have an index on the keys of events.';
COMMENT ON COLUMN jadugar.topics.registered_only IS
	'Whether it takes events of registered types only.';
COMMENT ON COLUMN jadugar.topics.max_backlog IS
	'Maximum number of events that a subscription may have to come. NULL: no limit.';
COMMENT ON COLUMN jadugar.topics.full_since IS
	'Since when publishing fails, as a subscription has reached max_backlog. NULL: it does not.';
COMMENT ON COLUMN jadugar.topics.full_by IS
	'Subscription that has reached max_backlog. Shown to monitors, to the owner of the topic and to that of the subscription.';
COMMENT ON COLUMN jadugar.topics.full_by_owner IS 'Role that owns that subscription.';
COMMENT ON COLUMN jadugar.topics.max_hold IS
	'Time for which a subscription may hold the topic: events past the retention are kept for it, or publishers wait for it. NULL: jadugar.event_max_hold.';
COMMENT ON COLUMN jadugar.topics.on_expire IS
	'What happens to partitions past the retention: drop or detach.';
COMMENT ON COLUMN jadugar.topics.partitions IS 'Number of its partitions.';
COMMENT ON COLUMN jadugar.topics.created_at IS 'When it was created.';
COMMENT ON COLUMN jadugar.topics.description IS 'Text for readers.';

CREATE FUNCTION jadugar_internal._v_event_type_problem(payload_type text, upcast text, downcast text)
RETURNS text
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_v_event_type_problem';
COMMENT ON FUNCTION jadugar_internal._v_event_type_problem(text, text, text) IS
	'Returns what of a version of an event type does not exist any more, or NULL.';

CREATE FUNCTION jadugar_internal._v_event_type_fields(payload_type text) RETURNS jsonb
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'jdg_v_event_type_fields';
COMMENT ON FUNCTION jadugar_internal._v_event_type_fields(text) IS
	'Returns the fields of a composite payload_type, or NULL.';

CREATE VIEW jadugar.event_types WITH (security_barrier) AS
SELECT y.name AS type,
	v.version,
	v.version = y.version AS latest,
	v.payload_type,
	jadugar_internal._v_event_type_fields(v.payload_type) AS fields,
	t.name AS topic,
	COALESCE(a.rolname, y.owner::text::name) AS owner,
	y.key,
	v.upcast,
	v.downcast,
	jadugar_internal._v_event_type_problem(v.payload_type, v.upcast, v.downcast) AS problem,
	v.created_at,
	y.description
FROM jadugar_internal.event_type y
	JOIN jadugar_internal.event_type_version v ON v.name = y.name
	JOIN jadugar_internal.topic t ON t.topic_id = y.topic_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = y.owner
WHERE (SELECT jadugar_internal._v_has_access())
	AND (NOT (SELECT jadugar_internal._v_is_confined())
		OR jadugar_internal._v_owns(y.owner)
		OR EXISTS (SELECT FROM jadugar_internal.event_grant g
			WHERE (g.topic_id = y.topic_id
					OR g.topic_id = 0 AND y.name LIKE
						pg_catalog.replace(pg_catalog.replace(g.type, '_', '\_'), '*', '%'))
				AND jadugar_internal._v_owns(g.role)));
COMMENT ON VIEW jadugar.event_types IS 'Registered types of events, one row for each version.';
COMMENT ON COLUMN jadugar.event_types.type IS 'Name of the type.';
COMMENT ON COLUMN jadugar.event_types.version IS 'Version, from 1.';
COMMENT ON COLUMN jadugar.event_types.latest IS 'Whether it is the latest version.';
COMMENT ON COLUMN jadugar.event_types.payload_type IS
	'Type that the data must match. NULL: any JSON object.';
COMMENT ON COLUMN jadugar.event_types.fields IS
	'Fields of the data, in order: an array of objects with name, type and required. NULL if payload_type is not a composite type or does not exist.';
COMMENT ON COLUMN jadugar.event_types.topic IS 'Topic of its events.';
COMMENT ON COLUMN jadugar.event_types.owner IS 'Role that owns the type.';
COMMENT ON COLUMN jadugar.event_types.key IS
	'jsonpath that gives the key of an event that is published without one.';
COMMENT ON COLUMN jadugar.event_types.upcast IS
	'Function that converts data of the previous version.';
COMMENT ON COLUMN jadugar.event_types.downcast IS
	'Function that converts data to the previous version.';
COMMENT ON COLUMN jadugar.event_types.problem IS
	'What was dropped or renamed: payload_type_missing, upcast_missing or downcast_missing. Otherwise NULL.';
COMMENT ON COLUMN jadugar.event_types.created_at IS 'When the version was registered.';
COMMENT ON COLUMN jadugar.event_types.description IS 'Text for readers.';

CREATE VIEW jadugar.event_grants WITH (security_barrier) AS
SELECT t.name AS topic,
	NULLIF(g.type, '') AS type,
	COALESCE(r.rolname, g.role::text::name) AS role,
	g.privilege
FROM jadugar_internal.event_grant g
	LEFT JOIN jadugar_internal.topic t ON t.topic_id = g.topic_id
	LEFT JOIN jadugar_internal.event_type y ON g.topic_id = 0 AND y.name = g.type
	LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.role
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(g.role)
	OR jadugar_internal._v_owns(t.owner)
	OR jadugar_internal._v_owns(y.owner);
COMMENT ON VIEW jadugar.event_grants IS
	'Privileges on topics and on types of events, as granted by grant_topic() and grant_event_type().';
COMMENT ON COLUMN jadugar.event_grants.topic IS 'Topic, if the privilege is on one.';
COMMENT ON COLUMN jadugar.event_grants.type IS
	'Type or pattern of types, if the privilege is on types.';
COMMENT ON COLUMN jadugar.event_grants.role IS 'Role that has the privilege.';
COMMENT ON COLUMN jadugar.event_grants.privilege IS 'Privilege: read, publish or hold.';

CREATE VIEW jadugar.events WITH (security_barrier) AS
SELECT e.event_id,
	e.type,
	e.version::integer AS version,
	e.key,
	CASE WHEN x.access = 2 THEN e.data END AS data,
	CASE WHEN x.access = 2 THEN e.headers END AS headers,
	jadugar_internal._v_event_topic(e.leaf) AS topic,
	e.published_at,
	COALESCE(r.rolname, e.publisher::text::name) AS publisher,
	e.cause,
	e.hops::integer AS hops,
	e.tenant,
	e.trace
FROM jadugar_internal.event e
	LEFT JOIN pg_catalog.pg_roles r ON r.oid = e.publisher
	CROSS JOIN LATERAL (SELECT jadugar_internal._v_event_access(
		e.leaf, e.type, e.publisher, e.version::integer, e.published_at, e.tenant) AS access OFFSET 0) x
WHERE x.access > 0;
COMMENT ON VIEW jadugar.events IS
	'Events that the caller may read, with their data as it was published. Reads the whole log: use read_events() for a part of it.';
COMMENT ON COLUMN jadugar.events.event_id IS 'Id of the event.';
COMMENT ON COLUMN jadugar.events.type IS 'Type of the event.';
COMMENT ON COLUMN jadugar.events.version IS
	'Version of the type with which it was published. 0: the type was not registered.';
COMMENT ON COLUMN jadugar.events.key IS 'Key: the object that the event is about.';
COMMENT ON COLUMN jadugar.events.data IS 'Data of the event. NULL for a monitor.';
COMMENT ON COLUMN jadugar.events.headers IS 'Headers of the event. NULL for a monitor.';
COMMENT ON COLUMN jadugar.events.topic IS 'Topic of the event.';
COMMENT ON COLUMN jadugar.events.published_at IS 'When it was published.';
COMMENT ON COLUMN jadugar.events.publisher IS 'Role that published it.';
COMMENT ON COLUMN jadugar.events.cause IS
	'Event during whose delivery it was published.';
COMMENT ON COLUMN jadugar.events.hops IS 'Number of causes before it.';
COMMENT ON COLUMN jadugar.events.tenant IS 'Tenant of the event.';
COMMENT ON COLUMN jadugar.events.trace IS 'Trace of the event.';
