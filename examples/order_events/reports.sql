-- The reports: a service that came later. Its subscription begins with the oldest
-- event and goes on with new ones, many of them in one call.
SET ROLE shop_reports;
\o /dev/null

CREATE TABLE reports.order_summary (
	order_id	integer PRIMARY KEY,
	cents		bigint NOT NULL,
	status		text NOT NULL,
	last_event	bigint NOT NULL
);

CREATE FUNCTION reports.on_events(events jadugar.event_info[]) RETURNS void LANGUAGE sql AS $$
	INSERT INTO reports.order_summary AS s
	SELECT (data->>'order_id')::integer, COALESCE(max((data->>'cents')::bigint), 0),
		(array_agg(type ORDER BY event_id DESC))[1], max(event_id)
	FROM unnest(events) GROUP BY 1
	ON CONFLICT (order_id) DO UPDATE SET cents = s.cents + excluded.cents,
		status = excluded.status, last_event = excluded.last_event
$$;

SELECT jadugar.subscribe('order_summary', '{*}', 'SELECT reports.on_events($1)', topics => '{shop}',
	batch => 500, start => 'beginning');
\o
RESET ROLE;
