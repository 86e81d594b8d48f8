-- Tasks that wait for others: extract, then two loads side by side, then a
-- report. In psql, as a role with access.

CREATE TABLE steps (step text, at timestamptz DEFAULT clock_timestamp());

-- In one transaction: all of them, or none.
BEGIN;
SELECT jadugar.enqueue('INSERT INTO steps VALUES (''extract'')') AS extract \gset
SELECT jadugar.enqueue('INSERT INTO steps VALUES (''load customers'')',
	depends_on => ARRAY[:extract]) AS customers \gset
SELECT jadugar.enqueue('INSERT INTO steps VALUES (''load orders'')',
	depends_on => ARRAY[:extract]) AS orders \gset
SELECT jadugar.enqueue('INSERT INTO steps VALUES (''report'') RETURNING step',
	depends_on => ARRAY[:customers, :orders]) AS report \gset
COMMIT;

SELECT status, result FROM jadugar.wait(:report);
SELECT step FROM steps ORDER BY at;

-- When a task fails for good, its dependent tasks are cancelled with a reason.
SELECT jadugar.enqueue('SELECT 1 / 0', delay => '1 second') AS broken \gset
SELECT jadugar.enqueue('SELECT 1', depends_on => ARRAY[:broken]) AS after \gset
SELECT status, reason FROM jadugar.wait(:after);
SELECT status, error_code, sqlstate, error->>'message' AS message FROM jadugar.get_task(:broken);

DROP TABLE steps;
