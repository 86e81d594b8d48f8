-- Waits until every change has been sent, then compares the databases.

\c sync_east
CALL settle();
\c sync_west
CALL settle();
CREATE FOREIGN TABLE IF NOT EXISTS east_note (id integer, body text, node text, changed_at timestamptz, clock jsonb)
    SERVER other OPTIONS (schema_name 'public', table_name 'note');
SELECT count(*) AS notes,
    count(*) FILTER (WHERE (w.id, w.body, w.node, w.changed_at, w.clock) IS NOT DISTINCT FROM (e.id, e.body, e.node, e.changed_at, e.clock)) AS equal,
    count(*) FILTER (WHERE w.clock ? 'east' AND w.clock ? 'west') AS "changed by both"
FROM note w FULL JOIN east_note e ON e.id = w.id;
