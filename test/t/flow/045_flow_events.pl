# Random publishers beside runs that wait for their events, while the scheduler is
# killed.  Afterwards each wait has taken one event: one that it is for, that had
# not committed before the wait, and the first that came after it.
#
# JADUGAR_SEED repeats a run, as far as the timing does; JADUGAR_ROUNDS makes it
# longer (transactions of each session).
use strict;
use warnings;

use IPC::Run;
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{JADUGAR_SEED} // 20262;
my $rounds = $ENV{JADUGAR_ROUNDS} // 60;

note("JADUGAR_SEED=$seed JADUGAR_ROUNDS=$rounds");
$deadline = 60;

# in this build a window of more than 8 events is walked
my $node = new_cluster('main', -faults => 1,
	'jadugar.max_workers' => 4,
	max_prepared_transactions => 10,
	shared_buffers => '32MB');
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE SCHEMA app;
	-- Instants just before and after each commit.  No event that was done before
	-- "asked" of a wait is for it, and every event that was asked for after "done" is.
	-- "began" is just before the event was published.
	CREATE TABLE app.published (event_id bigint PRIMARY KEY, key text, n int, began timestamptz, asked timestamptz, done timestamptz);
	CREATE TABLE app.waited (run_id bigint PRIMARY KEY, key text, n int, asked timestamptz, done timestamptz);
	CREATE PROCEDURE app.pause(most float) LANGUAGE plpgsql AS $$
	BEGIN
		-- waits-for-time: transactions of random length are under test
		PERFORM pg_sleep(random() * most);
	END $$;
	CREATE PROCEDURE app.publish(rounds int, seed float) LANGUAGE plpgsql AS $$
	DECLARE
		ids bigint[];
		before timestamptz;
		after timestamptz;
		k text;
		x int;
	BEGIN
		PERFORM setseed(seed);
		FOR i IN 1 .. rounds LOOP
			ids := '{}';
			FOR j IN 1 .. 1 + (random() * 12)::int LOOP
				k := 'k' || (random() * 5)::int;
				x := random() * 3;
				before := clock_timestamp();
				BEGIN
					ids := ids || jadugar.publish('m.a', jsonb_build_object('n', x), k);
					INSERT INTO app.published VALUES (ids[cardinality(ids)], k, x, before);
					IF random() < 0.2 THEN
						ids := trim_array(ids, 1);
						RAISE EXCEPTION 'undone';
					END IF;
				EXCEPTION WHEN raise_exception THEN
				END;
				PERFORM jadugar.publish('m.other', '{}', k) WHERE random() < 0.3;
			END LOOP;
			CALL app.pause(0.02);
			IF random() < 0.1 THEN
				ROLLBACK;
			ELSE
				before := clock_timestamp();
				COMMIT;
				after := clock_timestamp();
				UPDATE app.published SET asked = before, done = after WHERE event_id = ANY (ids);
				COMMIT;
			END IF;
			CALL app.pause(0.01);
		END LOOP;
	END $$;
	CREATE PROCEDURE app.wait(rounds int, seed float) LANGUAGE plpgsql AS $$
	DECLARE
		runs bigint[];
		before timestamptz;
		after timestamptz;
		k text;
		x int;
		id bigint;
	BEGIN
		PERFORM setseed(seed);
		FOR i IN 1 .. rounds LOOP
			runs := '{}';
			FOR j IN 1 .. 1 + (random() * 3)::int LOOP
				k := CASE WHEN random() < 0.7 THEN 'k' || (random() * 5)::int END;
				x := CASE WHEN random() < 0.5 THEN random() * 3 END;
				BEGIN
					id := jadugar.start_flow(jadugar.wait_event('m.a', key => k, filter => CASE WHEN x IS NOT NULL THEN jsonb_build_object('n', x) END, name => 'w'));
					INSERT INTO app.waited VALUES (id, k, x);
					IF random() < 0.2 THEN
						RAISE EXCEPTION 'undone';
					END IF;
					runs := runs || id;
				EXCEPTION WHEN raise_exception THEN
				END;
			END LOOP;
			CALL app.pause(0.02);
			IF random() < 0.1 THEN
				ROLLBACK;
			ELSE
				before := clock_timestamp();
				COMMIT;
				after := clock_timestamp();
				UPDATE app.waited SET asked = before, done = after WHERE run_id = ANY (runs);
				COMMIT;
			END IF;
			CALL app.pause(0.02);
		END LOOP;
	END $$;
	CREATE VIEW app.outcome AS
		SELECT w.*, s.status, (s.result->>'event_id')::bigint AS event_id
		FROM app.waited w LEFT JOIN jadugar.flow_steps s ON s.run_id = w.run_id AND s.step = 'w';
	CREATE VIEW app.fits AS
		SELECT w.run_id, p.*, w.asked AS wait_asked, w.done AS wait_done
		FROM app.waited w JOIN app.published p ON (w.key IS NULL OR p.key = w.key) AND (w.n IS NULL OR p.n = w.n);
	CREATE VIEW app.findings AS
		SELECT 'no such event' AS what, o.run_id, o.event_id FROM app.outcome o
			WHERE status = 'completed' AND NOT EXISTS (SELECT FROM app.fits f WHERE f.run_id = o.run_id AND f.event_id = o.event_id)
		UNION ALL
		SELECT 'committed before', o.run_id, o.event_id FROM app.outcome o JOIN app.published p USING (event_id) WHERE p.done < o.asked
		UNION ALL
		SELECT 'not the first', o.run_id, f.event_id FROM app.outcome o JOIN app.published p USING (event_id) JOIN app.fits f USING (run_id)
			WHERE f.asked > f.wait_done AND f.done < p.began
		UNION ALL
		SELECT 'lost', o.run_id, f.event_id FROM app.outcome o JOIN app.fits f USING (run_id)
			WHERE o.status <> 'completed' AND f.asked > f.wait_done
		UNION ALL
		SELECT 'not there', run_id, NULL FROM app.outcome WHERE status IS NULL});

my @sessions;

sub session
{
	my ($call) = @_;
	my %s = (out => '', err => '');

	$s{run} = IPC::Run::start([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', $call ],
		'>', \$s{out}, '2>', \$s{err});
	push @sessions, \%s;
	return;
}

session("CALL app.publish($rounds, " . (($seed + $_) % 1000 / 1000) . ')') foreach 1 .. 3;
session("CALL app.wait($rounds, " . (($seed + 10 + $_) % 1000 / 1000) . ')') foreach 1 .. 3;

# schedulers end at any point, and go on from the tables
my $kills = 0;

while (grep { $_->{run}->pumpable } @sessions)
{
	foreach my $s (@sessions)
	{
		$s->{run}->pump_nb if $s->{run}->pumpable;
	}
	my ($pid) = jadugar_processes($node, 'scheduler');

	if (defined $pid && kill_process($pid, 'TERM'))
	{
		$kills++;
		wait_for_exit($pid);
	}
	Time::HiRes::usleep(100_000);    # waits-for-time: between two kills
}
$_->{run}->finish foreach @sessions;
is(join('', map { $_->{err} } @sessions), '', 'no session failed');
cmp_ok($kills, '>', 5, 'schedulers were killed');

# every key and number once more: nothing waits any longer
$node->safe_psql('postgres', q{
	INSERT INTO app.published SELECT jadugar.publish('m.a', jsonb_build_object('n', n), 'k' || k), 'k' || k, n, now(), now(), NULL FROM generate_series(0, 5) k, generate_series(0, 3) n});
ok(poll($node, q{SELECT count(*) FROM app.outcome WHERE status <> 'completed'}, '0'), 'each wait has ended');
is($node->safe_psql('postgres', q{SELECT what, count(*), min(run_id), min(event_id) FROM app.findings GROUP BY 1}), '', 'each wait has taken the first event that it is for');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM app.outcome}), '>', $rounds, 'very many have waited');
is($node->safe_psql('postgres', 'SELECT count(*) FROM jadugar.check_flows()'), '0', 'no run is stuck');
ok(poll($node, q{SELECT (SELECT count(*) FROM jadugar_internal.event_cursor), (SELECT count(*) FROM jadugar_internal.flow_wait_start), (SELECT count(*) FROM jadugar_internal.flow_message)}, '0|0|0'),
	'no cursor, no start and no message is left');

# A server that goes down with open waits and unread events: after the restart, each
# wait gets the event that committed after it.
$node->safe_psql('postgres', q{
	CREATE TABLE app.late (run_id bigint, n int);
	INSERT INTO app.late SELECT jadugar.start_flow(jadugar.wait_event('m.late', key => n::text, name => 'w')), n FROM generate_series(1, 600) n});
is($node->safe_psql('postgres', q{
	BEGIN;
	SELECT count(jadugar.start_flow(jadugar.wait_event('m.prepared', name => 'w'), metadata => '{"prepared": true}'));
	PREPARE TRANSACTION 'waits'}), '1', 'a wait begins in a prepared transaction');
$node->safe_psql('postgres', q{
	BEGIN;
	SELECT jadugar.publish('m.late', '{}', n::text) FROM generate_series(1, 300) n;
	PREPARE TRANSACTION 'events'});
$node->safe_psql('postgres', q{SELECT jadugar.publish('m.late', '{}', n::text) FROM generate_series(301, 600) n});
$node->stop('immediate');
$node->start;
ok(poll($node, q{SELECT count(*) FROM app.late JOIN jadugar.flow_runs USING (run_id) WHERE status = 'completed'}, '300'), 'after a crash, the events reach their waits');
$node->safe_psql('postgres', q{COMMIT PREPARED 'waits'});
$node->safe_psql('postgres', q{COMMIT PREPARED 'events'; SELECT jadugar.publish('m.prepared')});
ok(poll($node, q{SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NULL}, '0'), 'those of prepared transactions too');
is($node->safe_psql('postgres', q{SELECT count(DISTINCT s.result->>'event_id') FROM app.late l JOIN jadugar.flow_steps s ON s.run_id = l.run_id AND s.step = 'w' AND s.result->>'key' = l.n::text}),
	'600', 'each has its own');

# One event for more waits than a round serves, with a crash of the scheduler between
$node->safe_psql('postgres', q{
	SELECT count(jadugar.start_flow(jadugar.wait_event('m.all', filter => CASE WHEN n % 2 = 0 THEN '{"even": true}'::jsonb END, name => 'w'), metadata => '{"all": true}')) FROM generate_series(1, 2500) n;
	ALTER SYSTEM SET jadugar.fault = 'flow-events-sent:sigterm:3'});
$node->reload;
$node->safe_psql('postgres', q{SELECT jadugar.publish('m.all', '{"n": 1}')});
ok(poll($node, q{SELECT count(*) FROM jadugar.flow_runs WHERE metadata @> '{"all": true}' AND status = 'completed'}, '1250'), 'an event reaches all waits whose filter it fits');
$node->safe_psql('postgres', q{ALTER SYSTEM RESET jadugar.fault});
$node->reload;
$node->safe_psql('postgres', q{SELECT jadugar.publish('m.all', '{"even": true}')});
ok(poll($node, q{SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NULL}, '0'), 'the next one reaches the others');

# An event that the scheduler cannot send is passed over
$node->safe_psql('postgres', q{
	SELECT jadugar.start_flow(jadugar.wait_event(type, '{}', name => 'w'), metadata => '{"deep": true}') FROM (VALUES ('m.deep'), ('m.deep'), ('m.flat')) v (type);
	ALTER SYSTEM SET max_stack_depth = '100kB'});
$node->reload;
$node->safe_psql('postgres', q{
	SET max_stack_depth = '2MB';
	SELECT jadugar.publish('m.deep', (repeat('{"a":', 3000) || '1' || repeat('}', 3000))::jsonb);
	SELECT jadugar.publish('m.flat', '{"n": 1}')});
ok(poll($node, q{SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NULL}, '2'), 'the next event reaches its wait');
$node->safe_psql('postgres', q{SELECT jadugar.publish('m.deep', '{"n": 1}')});
ok(poll($node, q{SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NULL}, '0'), 'so do later events of its type');
$node->safe_psql('postgres', q{ALTER SYSTEM RESET max_stack_depth});
$node->reload;

unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:/, 'no process panicked');
$node->stop;
done_testing();
