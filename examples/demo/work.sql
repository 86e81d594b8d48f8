-- The work of the demo, requested by the role demo, on pgbench's tables.
\o /dev/null

-- Every account has 1,000. The sum must be the same at the end.
UPDATE pgbench_accounts SET abalance = 1000;
CREATE TABLE opening AS
SELECT sum(abalance) AS balances, clock_timestamp() AS at FROM pgbench_accounts;

-- ------------------------------------------------------------- transfers
-- A handler: a name for work, with a payload that is checked when a task is
-- enqueued. The SQL sees the payload as $1.

CREATE DOMAIN amount AS integer CHECK (VALUE > 0);
CREATE TYPE transfer AS (giver integer, taker integer, amount amount);

SELECT jadugar.register_sql_handler('transfer', $$
	WITH given AS (
		UPDATE pgbench_accounts SET abalance = abalance - ($1->>'amount')::integer
		WHERE aid = ($1->>'giver')::integer RETURNING bid),
	taken AS (
		UPDATE pgbench_accounts SET abalance = abalance + ($1->>'amount')::integer
		WHERE aid = ($1->>'taker')::integer)
	INSERT INTO pgbench_history (tid, bid, aid, delta, mtime)
	SELECT 1, bid, ($1->>'taker')::integer, ($1->>'amount')::integer, now()
	FROM given
$$, payload_type => 'transfer', description => 'moves an amount between two accounts');

-- Giver and taker are two accounts.
CREATE FUNCTION random_transfers(n integer) RETURNS jsonb[] LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT array_agg(jsonb_build_object(
		'giver', giver,
		'taker', (giver + floor(random() * (accounts - 1))::integer) % accounts + 1,
		'amount', 1 + floor(random() * 100)::integer))
	FROM (SELECT 1 + floor(random() * accounts)::integer AS giver, accounts
		  FROM (SELECT count(*)::integer AS accounts FROM pgbench_accounts) a,
			generate_series(1, n)) g;
END;

-- Ten times, every other second, a task enqueues 1,000 transfers: all of them
-- or none.
SELECT jadugar.schedule('customers', 'every 2 seconds',
	$$SELECT count(*) AS transfers
	  FROM jadugar.enqueue_batch('transfer', random_transfers(1000))$$,
	max_runs => 10);

-- --------------------------------------------------------------- rollup
-- Every second: transfers and their sum for each second.

CREATE TABLE rollup (second timestamp PRIMARY KEY, transfers bigint, moved bigint);

SELECT jadugar.schedule('rollup', 'every 1 second', $$
	INSERT INTO rollup
	SELECT date_trunc('second', mtime), count(*), sum(delta)
	FROM pgbench_history
	WHERE mtime >= date_trunc('second', localtimestamp) - interval '10 seconds'
	GROUP BY 1
	ON CONFLICT (second) DO UPDATE
	SET transfers = excluded.transfers, moved = excluded.moved
	WHERE rollup.transfers <> excluded.transfers
$$);

-- --------------------------------------------------------------- vacuum
-- Every minute; and once now, in case the demo ends before a full minute.
-- jadugar recognizes that VACUUM cannot run in a transaction.

SELECT jadugar.schedule('vacuum', '* * * * *', 'VACUUM pgbench_accounts');
SELECT jadugar.run_now('vacuum');

-- -------------------------------------------------------------- retries
-- Fails twice, is retried after three seconds each time, and succeeds.

CREATE FUNCTION fetch_rates(jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	attempt integer := (SELECT t.attempt FROM jadugar.current_task() t);
BEGIN
	IF attempt < 3 THEN
		RAISE EXCEPTION 'the exchange does not answer'
			USING DETAIL = format('This was attempt %s.', attempt);
	END IF;
	RETURN 'got the rates';
END $$;

SELECT jadugar.register_handler('fetch_rates', 'fetch_rates',
	retry => jadugar.retry_policy(5, 'fixed', delay => '3 seconds', jitter => false));
SELECT jadugar.enqueue('fetch_rates');

-- ----------------------------------------------------------------- flow
-- The end of the day: after four seconds an audit that reports its progress,
-- then branches and tellers in parallel, then a report.

CREATE TABLE report (at timestamptz, branches bigint, tellers bigint, balances bigint);

CREATE FUNCTION audit(jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	accounts constant integer := (SELECT max(aid) FROM pgbench_accounts);
	parts constant integer := 20;
	checked bigint := 0;
	n bigint;
BEGIN
	FOR part IN 1 .. parts LOOP
		SELECT count(*) INTO n FROM pgbench_accounts
		WHERE aid > (part - 1) * (accounts / parts) AND aid <= part * (accounts / parts)
			AND abalance IS NOT NULL;
		checked := checked + n;
		PERFORM jadugar.progress(part::float8 / parts, format('%s accounts checked', checked));
		PERFORM pg_sleep(0.3);	-- waits-for-time: slow, so that the live view shows it
	END LOOP;
	PERFORM jadugar.log('info', 'audit is done', jsonb_build_object('accounts', checked));
	RETURN checked;
END $$;

SELECT jadugar.register_handler('audit', 'audit', timeout => '1 minute');
SELECT jadugar.register_sql_handler('branches', $$
	UPDATE pgbench_branches b SET bbalance = a.balance
	FROM (SELECT bid, sum(abalance) AS balance FROM pgbench_accounts GROUP BY bid) a
	WHERE a.bid = b.bid$$);
SELECT jadugar.register_sql_handler('tellers', $$
	UPDATE pgbench_tellers t SET tbalance = h.moved
	FROM (SELECT tid, sum(delta) AS moved FROM pgbench_history GROUP BY tid) h
	WHERE h.tid = t.tid$$);
SELECT jadugar.register_sql_handler('report', $$
	INSERT INTO report
	SELECT now(), (SELECT count(*) FROM pgbench_branches),
		(SELECT count(*) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches)
	RETURNING *$$);

SET search_path = public, jadugar;
SELECT create_flow('end_of_day', sleep('4 seconds')
	~> step('audit', 'audit')
	~> (step('branches', 'branches') & step('tellers', 'tellers'))
	~> step('report', 'report'));
SELECT start_flow('end_of_day');
