# One role holds up no other: however many names, keys, queues and tenants a role uses,
# the limits of others are counted, and their tenants take turns.  The server has room
# for 64 gates and 64 lanes; "greedy" wants hundreds.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main',
	'jadugar.max_workers' => 8, 'jadugar.max_workers_per_role' => 1, 'jadugar.max_gates' => 64, 'jadugar.max_lanes' => 64);
create_extension($node);

sub sql
{
	my ($sql, $role) = @_;

	return $node->safe_psql('postgres', ($role ? "SET ROLE $role;" : '') . "SET search_path = jadugar, public; $sql");
}

sub health
{
	my ($what, $role) = @_;

	return sql("SELECT severity || ': ' || detail FROM health WHERE what = '$what'", $role);
}

# How many names can a role use at a time?
sub names
{
	my ($role, $n) = @_;

	return sql(qq{SELECT count(*) FROM generate_series(1, $n) i WHERE test_rate('$role ' || i)}, $role);
}

$node->safe_psql('postgres', q{
	CREATE ROLE greedy LOGIN;
	CREATE ROLE greedy2 LOGIN;
	CREATE ROLE modest LOGIN;
	CREATE ROLE watch LOGIN;
	GRANT CREATE ON SCHEMA public TO greedy, modest;
	SELECT jadugar.grant_access(r, 'user') FROM unnest('{greedy,greedy2,modest}'::text[]) r;
	SELECT jadugar.grant_access('watch', 'monitor');
	CREATE FUNCTION test_rate(name text) RETURNS boolean LANGUAGE plpgsql AS $$
		BEGIN RETURN (jadugar.rate_limit(name, 1, per => '100 days')).allowed;
		EXCEPTION WHEN configuration_limit_exceeded THEN RETURN false; END $$;
	CREATE FUNCTION busy() RETURNS void LANGUAGE plpgsql AS $$
		DECLARE until timestamptz := clock_timestamp() + '1 ms';
		BEGIN WHILE clock_timestamp() < until LOOP END LOOP; END $$;
	SELECT jadugar.create_tenant('x'), jadugar.create_tenant('y')});

# --- gates ----------------------------------------------------------------------

is(health('gates'), 'ok: limits that count something: 0 of 64', 'nothing counts');
is(names('greedy', 100), 22, 'a role has a third of the gates for names');
like(psql_error($node, q{SET ROLE greedy; SELECT jadugar.rate_limit('one more', 1)}),
	qr/too many limits of role "greedy" are in use.*It uses 22 of the 64 of jadugar.max_gates/s, 'the error says why');
is(health('gates', 'watch'), 'warning: limits that count something: 22 of 64; role "greedy", which uses 22, finds no room for more', 'the view health names the role');
like(health('gates', 'greedy'), qr/^warning/, 'to the role, too');
is(health('gates', 'modest'), 'ok: limits that count something: 22 of 64', 'but not to others');

sql(q{
	SELECT count(create_queue('slow' || i, rate => 1, per => '1 day')) FROM generate_series(1, 100) i;
	SELECT count(enqueue('SELECT 1', queue => 'slow' || i)) FROM generate_series(1, 100) i, generate_series(1, 2) j}, 'greedy');
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE owner = 'greedy'}, '10'), 'its queues find room beside its names, until it has half of the gates');
is(names('greedy2', 100), 11, 'the next one has a third of what is left');

sql(q{
	SELECT create_queue('spaced', 1, rate => 100, burst => 1);
	SELECT count(*) FROM enqueue_batch('SELECT busy()', array_fill('{}'::jsonb, ARRAY[50]), queue => 'spaced')}, 'modest');
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE queue = 'spaced'}, '50'), 'tasks of another role run');
is(sql(q{SELECT count(*) FROM history a JOIN history b ON a.queue = b.queue AND a.started_at < b.started_at
	AND b.started_at < a.started_at + '7 ms' WHERE a.queue = 'spaced'}), 0, 'as far apart as they should');
is(sql(q{SELECT test_rate('m'), test_rate('m')}, 'modest'), 't|f', 'and its rates count');
is(sql(q{SELECT max(n) FROM (SELECT count(*) AS n FROM history WHERE owner = 'greedy' GROUP BY queue) x}), 1, 'no limit was exceeded');
is(sql(q{SELECT waiting_for, count(*) FROM tasks WHERE owner = 'greedy' GROUP BY waiting_for ORDER BY 1}), "queue_limit|180\nrate_limit|10", 'what waits says so');

sql(q{SELECT cancel_tasks() > 0, count(alter_queue('slow' || i, reset => '{rate}')) FROM generate_series(1, 100) i}, 'greedy');
sql(q{SELECT count(enqueue('SELECT 1', queue => 'slow' || i)) FROM generate_series(1, 100) i}, 'greedy');
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks}, '0'), 'without limits, all run');

# --- lanes ----------------------------------------------------------------------

# Do tenants of the other role take turns?  In the order of the index, y would be first.
sub take_turns
{
	my ($name) = @_;

	sql(q{
		SELECT pause_queue('spaced');
		SELECT count(*) FROM enqueue_batch('SELECT busy()', array_fill('{}'::jsonb, ARRAY[200]), queue => 'spaced', tenant => 'x');
		SELECT count(*) FROM enqueue_batch('SELECT busy()', array_fill('{}'::jsonb, ARRAY[200]), queue => 'spaced', tenant => 'y');
		SELECT resume_queue('spaced')}, 'modest');
	ok(poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE owner = 'modest'}, '0'), "$name: tasks of another role run");
	my $share = sql(q{
		WITH h AS (SELECT tenant, row_number() OVER (ORDER BY started_at) AS n FROM history
			WHERE owner = 'modest' ORDER BY started_at DESC LIMIT 400)
		SELECT count(*) FROM h WHERE n <= (SELECT min(n) + 199 FROM h) AND tenant = 'y'});
	ok($share > 70 && $share < 130, "$name: its tenants take turns: $share of 200");
	return;
}

sql(q{SELECT set_limit('queue', 'spaced')}, 'modest');
sql(q{
	SELECT create_queue('many'), pause_queue('many');
	SELECT count(enqueue('SELECT 1', queue => 'many', tenant => 't' || i)) FROM generate_series(1, 300) i}, 'greedy');
like(health('lanes', 'watch'), qr/^warning: lanes with tasks: 3\d of 64; role "greedy", which uses 3\d, finds no room for more$/, 'the view health names the role');
like(health('lanes', 'modest'), qr/^ok/, 'but not to others');
take_turns('beside many lanes');
sql(q{SELECT pg_terminate_backend(pid) FROM workers; SELECT pg_terminate_backend(scheduler_pid) FROM jadugar_internal._v_health()});
ok(poll($node, q{SELECT severity = 'ok' FROM jadugar.health WHERE what = 'scheduler'}), 'the scheduler starts again');
take_turns('after a start of the scheduler');
like(health('lanes', 'watch'), qr/^warning.*"greedy"/, 'and finds that the lanes are too many');

# tasks without a lane wait for a rate, while nothing else happens
sql(q{SELECT create_queue('late', rate => 5, burst => 1), grant_queue('late', 'greedy')});
sql(q{SELECT count(enqueue('SELECT 1', queue => 'late')) FROM generate_series(1, 4)}, 'greedy');
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE queue = 'late'}, 4), 'tasks without a lane begin when a rate allows it');

# a transaction that makes many lanes holds them until its end
my $open = $node->background_psql('postgres');
$open->query_safe(q{SET ROLE greedy2; BEGIN; SELECT count(jadugar.enqueue('SELECT 1', tenant => 'u' || i)) FROM generate_series(1, 100) i});
take_turns('beside a transaction with many lanes');
$open->query_safe('ROLLBACK');
$open->quit;

sql(q{SELECT resume_queue('many')}, 'greedy');
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks}, '0'), 'all tasks of the role run in the end');
is(sql(q{SELECT count(*) FROM history WHERE queue = 'many'}), 300, 'each once');
poll_sub('the lanes are enough again', sub {
		sql(q{SELECT enqueue('SELECT 1')}, 'greedy');
		return health('lanes', 'watch') =~ /^ok: lanes with tasks: \d of 64$/; });

# --- places ---------------------------------------------------------------------

# a role whose worker is busy does not keep the room that its tasks cannot use
my ($first, $second) = map { $node->background_psql('postgres') } 1 .. 2;
$first->query_safe('SELECT pg_advisory_lock(1)');
$second->query_safe('SELECT pg_advisory_lock(2)');
sub waiting
{
	my ($role, $status, $n) = @_;

	return poll($node, qq{SELECT count(*) FROM jadugar.tasks WHERE owner = '$role' AND coalesce(waiting_for, status) = '$status'}, $n);
}
sql(q{SELECT create_queue('both', 1), grant_queue('both', 'greedy'), grant_queue('both', 'modest')});
sql(q{SELECT enqueue('SELECT pg_advisory_xact_lock(1)', queue => 'both')}, 'modest');
ok(waiting('modest', 'running', 1), 'a task takes the place of a queue');
sql(q{SELECT count(enqueue('SELECT 1', queue => 'both', tenant => 'z' || i)) FROM generate_series(1, 8) i}, 'greedy');
ok(waiting('greedy', 'queue_limit', 8), 'tasks of another role wait for it');
sql(q{SELECT enqueue('SELECT pg_advisory_xact_lock(2)')}, 'greedy');
ok(waiting('greedy', 'running', 1), 'whose worker does something else');
sql(q{SELECT enqueue('SELECT 1', queue => 'both')}, 'modest');
$first->query_safe('SELECT pg_advisory_unlock(1)');
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE queue = 'both' AND owner = 'modest'}, 2), 'the next task of the first role begins');
$second->query_safe('SELECT pg_advisory_unlock(2)');
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks}, '0'), 'and those of the other one, when its worker is free');
$_->quit foreach $first, $second;

$node->stop;
done_testing();
