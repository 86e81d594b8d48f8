# Limits: how many tasks run at once, and how many begin in some time.  The history
# proves that no instant had more than allowed, also when workers are terminated and
# the server crashes.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main',
	'jadugar.max_workers' => 12, 'jadugar.max_workers_per_role' => 12, 'jadugar.max_gates' => 64, 'jadugar.max_lanes' => 64);
create_extension($node);

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', "SET search_path = jadugar, public; $sql");
}

# The greatest number of tasks that ran at one instant, of the history rows that match.
sub most_at_once
{
	my ($where) = @_;

	return sql(qq{
		WITH e AS (SELECT started_at AS t, 1 AS d FROM history WHERE started_at IS NOT NULL AND $where
			UNION ALL SELECT finished_at, -1 FROM history WHERE started_at IS NOT NULL AND $where)
		SELECT coalesce(max(s), 0) FROM (SELECT sum(d) OVER (ORDER BY t, d) AS s FROM e) x});
}

# Tasks that began too early, of the history rows that match, by the rule that the
# documentation states: at most burst + T / interval begin in any time T.  The start
# is noted a little later than it was allowed, so the times are within 2 ms.
sub too_early
{
	my ($where, $interval, $burst) = @_;
	my @starts = split /\n/, sql(qq{
		SELECT extract(epoch FROM started_at) FROM history WHERE started_at IS NOT NULL AND $where ORDER BY 1});
	my $early = 0;

	foreach my $i (0 .. $#starts)
	{
		my $j = $i + $burst;

		$j++ while $j <= $#starts && $starts[$j] - $starts[$i] + 0.002 >= ($j - $i + 1 - $burst) * $interval;
		$early++ if $j <= $#starts;
	}
	return ($early, scalar @starts);
}

sub all_done
{
	return poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
}

sub waits_for
{
	my ($reason) = @_;

	return poll($node, "SELECT count(*) > 0 FROM jadugar.tasks WHERE waiting_for = '$reason'");
}

# --- places, of each scope ------------------------------------------------------

$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	SELECT jadugar.grant_access('app', 'user');
	SELECT jadugar.create_queue('exports', 3);
	SELECT jadugar.create_tenant('acme', max_concurrency => 2);
	CREATE FUNCTION slow() RETURNS text LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock_shared(1); SELECT repeat(md5(g::text), 10) FROM generate_series(1, 3000) g ORDER BY 1 LIMIT 1 $$;
	SELECT jadugar.register_sql_handler('slow', 'SELECT slow()');
	SELECT jadugar.set_limit('handler', 'slow', 2);
	SELECT jadugar.set_limit('owner', 'app', 2)});
# tasks that run slow() wait for this lock
$node->safe_psql('postgres', q{BEGIN; SELECT pg_advisory_xact_lock(1); PREPARE TRANSACTION 'hold'});
sql(q{SELECT count(*) FROM enqueue_batch('SELECT slow()', array_fill('{}'::jsonb, ARRAY[60]), queue => 'exports')});
ok(waits_for('queue_limit'), 'a task waits for its queue');
sql(q{
	SELECT count(*) FROM enqueue_batch('slow', array_fill('{}'::jsonb, ARRAY[40]));
	SELECT count(*) FROM enqueue_batch('SELECT slow()', array_fill('{}'::jsonb, ARRAY[40]), tenant => 'acme');
	SELECT count(*) FROM enqueue_batch('SELECT slow()', array_fill('{}'::jsonb, ARRAY[40]), owner => 'app');
	SELECT enqueue('SELECT 1', tenant => 'other')});
ok(waits_for('handler_limit'), 'a task waits for its handler');
ok(waits_for('tenant_limit'), 'a task waits for its tenant');
ok(waits_for('owner_limit'), 'a task waits for its role');
ok(poll($node, "SELECT count(*) FROM jadugar.history WHERE tenant = 'other'", '1'), 'what waits holds up nobody else');
ok(poll($node, q{SELECT count(*) FROM jadugar.limits WHERE waiting AND in_use = max_concurrency}, '4'), 'the lanes of all four are parked');
$node->safe_psql('postgres', q{COMMIT PREPARED 'hold'});
sql(q{SELECT pg_terminate_backend(pid) FROM workers}) foreach 1 .. 3;
all_done();
is(most_at_once("queue = 'exports'"), 3, 'as many of a queue as it may have');
is(most_at_once("name = 'slow'"), 2, 'of a handler');
is(most_at_once("tenant = 'acme'"), 2, 'of a tenant');
is(most_at_once("owner = 'app'"), 2, 'of a role');
is(sql('SELECT sum(in_use) FROM limits'), 0, 'no place is left behind');

# --- a limit that comes while tasks wait, and one that goes ----------------------

sql(q{
	SELECT set_limit('handler', 'slow'), pause_queue('default');
	SELECT count(*) FROM enqueue_batch('slow', array_fill('{"late": 1}'::jsonb, ARRAY[2500]), priority => -1);
	SELECT set_limit('handler', 'slow', 1)});
ok(poll($node, q{SELECT count(DISTINCT lane) = 1 AND min(lane) <> 0 FROM jadugar_internal.task}), 'tasks get a lane of their own');
sql(q{SELECT resume_queue('default')});
ok(waits_for('handler_limit'), 'they wait for the limit');
sql(q{SELECT enqueue('SELECT 1', priority => -2, tenant => 'after')});
ok(poll($node, "SELECT count(*) FROM jadugar.history WHERE tenant = 'after'", '1'), 'and hold up nobody');
is(most_at_once(q{payload ? 'late'}), 1, 'one at a time');
sql(q{SELECT cancel_tasks() > 0});
all_done();
sql(q{SELECT count(*) FROM enqueue_batch('slow', array_fill('{"end": 1}'::jsonb, ARRAY[60]));
	SELECT set_limit('handler', 'slow')});
all_done();
cmp_ok(most_at_once(q{payload ? 'end'}), '>', 1, 'without the limit, several');

# --- rates ----------------------------------------------------------------------

sql(q{
	SELECT create_queue('mail', rate => 200, burst => 5);
	SELECT set_limit('key', 'customer', 4, rate => 50, burst => 1);
	SELECT count(*) FROM enqueue_batch('SELECT 1', array_fill('{}'::jsonb, ARRAY[300]), queue => 'mail');
	SELECT count(enqueue('SELECT 1', concurrency_key => 'customer', metadata => '{"of": "customer"}')) FROM generate_series(1, 40)});
ok(poll($node, q{SELECT EXISTS (SELECT FROM jadugar.tasks WHERE waiting_for = 'rate_limit')
	AND EXISTS (SELECT FROM jadugar.limits WHERE name = 'mail' AND waiting AND reason = 'rate_limit')}, 't'),
	'tasks wait for a rate, and the views show it');
sql(q{SELECT pg_terminate_backend(pid) FROM workers});
all_done();
# a worker that was terminated inside a task has lost an attempt, which counts
foreach ([ "queue = 'mail'", 1 / 200, 5, 300 ], [ "metadata ->> 'of' = 'customer'", 1 / 50, 1, 40 ])
{
	my ($which, $interval, $burst, $n) = @$_;
	my $lost = sql("SELECT count(*) FROM history WHERE $which AND status = 'lost'");

	is_deeply([ too_early($which, $interval, $burst) ], [ 0, $n + $lost ], "no task began too early: $which");
}

# tasks that wait for nothing but their rate, while nothing else happens
sql(q{
	SELECT register_sql_handler('spaced', 'SELECT 1'), set_limit('handler', 'spaced', rate => 5, burst => 1);
	SELECT set_limit('key', 'spaced', rate => 5, burst => 1)});
foreach my $task (q{'spaced'}, q{'SELECT 1', concurrency_key => 'spaced'})
{
	sql("SELECT count(enqueue($task)) FROM generate_series(1, 4)");
	ok(all_done(), "all run: $task");
}

# --- a restart, a crash ---------------------------------------------------------

sub started
{
	my ($where) = @_;

	return sql("SELECT count(*) FROM history WHERE $where");
}
sql(q{
	SELECT create_queue('slow', rate => 1, per => '1 day');
	SELECT enqueue('SELECT 1', queue => 'slow'), enqueue('SELECT 2', queue => 'slow')});
ok(waits_for('rate_limit'), 'a task waits for a day');
sql(q{SELECT set_limit('queue', 'slow', rate => 1000)});
all_done();
sql(q{
	SELECT create_queue('rare', rate => 1, per => '1 day'), create_queue('new', rate => 1, per => '1 day');
	SELECT reset_limit('queue', 'rare');
	SELECT enqueue('SELECT 1', queue => 'rare'), enqueue('SELECT 2', queue => 'rare')});
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE queue = 'rare'}, 1), 'one a day');
$node->restart;
ok(waits_for('rate_limit'), 'the other one waits, also after a restart');
sql(q{SELECT enqueue('SELECT 1', queue => 'new')});
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE queue = 'new'}, 1), 'a queue that had none may begin');
is(started(q{queue = 'rare'}), 1, 'the other one has not begun');
$node->stop('immediate');
$node->start;
sql(q{SELECT create_queue('newer', rate => 1, per => '1 day'); SELECT enqueue('SELECT 1', queue => 'newer')});
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE waiting_for = 'rate_limit'}, 2), 'after a crash, all rates are taken for used up');
sql(q{SELECT reset_limit('queue', 'rare'), set_limit('queue', 'newer')});
all_done();
is(started(q{queue IN ('rare', 'newer')}), 3, 'reset_limit() lets one begin, and so does the end of the limit');

# --- enqueue_rate of tenants ------------------------------------------------------

# How many tasks of a tenant can be enqueued in a row, as many as its burst allows.
sub enqueues
{
	my ($tenant) = @_;
	my $n = 0;

	$n++ while psql_error($node, "SELECT jadugar.enqueue('SELECT 1', tenant => '$tenant', delay => '1 day')") eq '';
	return $n;
}

sql(q{
	SELECT create_tenant('many', enqueue_rate => 1, enqueue_per => '1 day', enqueue_burst => 50);
	SELECT create_tenant('few', enqueue_rate => 1, enqueue_per => '1 day', enqueue_burst => 3)});
is(enqueues('many'), 0, 'after a crash, it is taken for used up, too');
sql(q{SELECT reset_limit('tenant', 'many'), reset_limit('tenant', 'few')});
my $script = $node->basedir . '/enqueue.sql';
append_to_file($script, q{
	DO $$
	BEGIN
		PERFORM jadugar.enqueue('SELECT 1', tenant => 'many', delay => '1 day');
	EXCEPTION WHEN SQLSTATE 'JD014' THEN
		NULL;
	END $$;});
command_ok([ 'pgbench', '-n', '-c', 4, '-t', 25, '-f', $script, $node->connstr('postgres') ], 'sessions enqueue at once');
is(sql(q{SELECT unfinished FROM tenants WHERE name = 'many'}), 50, 'exactly the burst');
sql(q{SELECT enqueue('SELECT 1', tenant => 'few', delay => '1 day')});
like(psql_error($node, q{SELECT jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, ARRAY[3]), tenant => 'few')}),
	qr/Try again in 8\d{4}\.\d{3} seconds/, 'a batch takes all or nothing');
$node->restart;
is(enqueues('few'), 2, 'a restart keeps what is left');
is(enqueues('many'), 0, 'and what was used up');
$node->stop('immediate');
$node->start;
sql(q{SELECT reset_limit('tenant', 'few')});
is(enqueues('many'), 0, 'a crash does not give it back');
$node->restart;
is(enqueues('many'), 0, 'nor does a restart after a crash');
is(enqueues('few'), 3, 'and reset_limit() holds over a restart');
sql(q{SELECT cancel_tasks() > 0});

# --- more lanes and gates than there is room for ---------------------------------

sql(q{
	SELECT count(create_tenant('t' || i, max_concurrency => 1, rate => 1000)) FROM generate_series(1, 200) i;
	SELECT count(enqueue('SELECT slow()', tenant => 't' || i % 200 + 1)) FROM generate_series(1, 1000) i});
all_done();
is(started(q{tenant ~ '^t[0-9]'}), 1000, 'more lanes and gates than there is room for: all tasks run');
is(sql(q{
	WITH e AS (SELECT tenant, started_at AS t, 1 AS d FROM history WHERE tenant ~ '^t[0-9]'
		UNION ALL SELECT tenant, finished_at, -1 FROM history WHERE tenant ~ '^t[0-9]')
	SELECT max(s) FROM (SELECT sum(d) OVER (PARTITION BY tenant ORDER BY t, d) AS s FROM e) x}), 1, 'and no limit is exceeded');

$node->stop;
done_testing();
