# A dozen roles that take all the gates and lanes that they can, one after another,
# and keep them: the next role has its limits counted and its tasks run in turns. When
# more roles have come than there is room for, tasks whose limit cannot be counted wait,
# all others run, and no limit is exceeded.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main',
	'jadugar.max_workers' => 8, 'jadugar.max_workers_per_role' => 1, 'jadugar.max_gates' => 512, 'jadugar.max_lanes' => 512);
create_extension($node);

sub sql
{
	my ($sql, $role) = @_;

	return $node->safe_psql('postgres', ($role ? "SET ROLE $role;" : '') . "SET search_path = jadugar, public; $sql");
}

sub health
{
	my ($what) = @_;

	return sql("SELECT detail FROM health WHERE what = '$what'");
}

# How many are held of a table?
sub held
{
	my ($what) = @_;

	return health($what) =~ /: (\d+) of 512/ ? $1 : die health($what);
}

my @greedy = map { "greedy$_" } 1 .. 12;
my @small = map { "small$_" } 1 .. 24;

$node->safe_psql('postgres', 'CREATE FUNCTION busy() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE until timestamptz := clock_timestamp() + \'1 ms\';
	BEGIN WHILE clock_timestamp() < until LOOP END LOOP; END $$;
	CREATE FUNCTION test_rate(name text) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN RETURN (jadugar.rate_limit(name, 1, per => \'100 days\')).allowed;
	EXCEPTION WHEN configuration_limit_exceeded THEN RETURN false; END $$;'
	. join('', map { "CREATE ROLE $_ LOGIN; SELECT jadugar.grant_access('$_');" } @greedy, @small, 'modest', 'late'));

# --- gates ----------------------------------------------------------------------

# Each wants more limits than there is room for; two tasks a day are one too many.
my $n = 300;
foreach my $role (@greedy)
{
	sql(qq{
		SELECT count(create_queue('$role ' || i, rate => 1, per => '1 day')) FROM generate_series(1, $n) i;
		SELECT count(enqueue('SELECT 1', queue => '$role ' || i)) FROM generate_series(1, $n) i, generate_series(1, 2) j}, $role);
	my $before = -1;
	poll_sub("$role has taken what it can", sub {
			my $now = sql("SELECT count(*) FROM history WHERE owner = '$role'");
			my $waits = sql("SELECT count(*) FROM tasks WHERE owner = '$role' AND waiting_for IS NULL");
			my $done = $now == $before && $now > 0 && $waits == 0;
			$before = $now;
			return $done; });
	$n = $n > 40 ? int($n / 2) + 1 : 20;
}
is(sql(q{SELECT max(n) FROM (SELECT count(*) AS n FROM history GROUP BY queue) x}), 1, 'no limit was exceeded');
my $gates = held('gates');
cmp_ok($gates, '>', 512 * 7 / 8 - 2, "nearly all gates are held: $gates");
cmp_ok($gates, '<=', 512 * 15 / 16, 'but not the last ones');
is(sql(q{SELECT min(n) FROM (SELECT count(*) AS n FROM history GROUP BY owner) x}), 2, 'each role has at least a few');

sql(q{
	SELECT create_queue('spaced', 1, rate => 100, burst => 1);
	SELECT count(*) FROM enqueue_batch('SELECT busy()', array_fill('{}'::jsonb, ARRAY[50]), queue => 'spaced')}, 'modest');
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE queue = 'spaced'}, '50'), 'tasks of the next role run');
is(sql(q{SELECT count(*) FROM history a JOIN history b ON a.queue = b.queue AND a.started_at < b.started_at
	AND b.started_at < a.started_at + '7 ms' WHERE a.queue = 'spaced'}), 0, 'as far apart as they should');
is(sql(q{SELECT test_rate('m'), test_rate('m')}, 'modest'), 't|f', 'and its rates count');

# more roles than there is room for
my $fit = 0;
foreach my $role (@small)
{
	$fit += sql(q{SELECT count(*) FILTER (WHERE test_rate(current_user || i)) FROM generate_series(1, 3) i}, $role);
}
cmp_ok($fit, '>', 4, "further roles find room: $fit");
cmp_ok($fit, '<', 20, 'up to a bound');
sql(q{
	SELECT create_queue('late', rate => 1000, per => '1 s'), create_queue('free');
	SELECT count(enqueue('SELECT 1', queue => q)) FROM unnest('{late, free}'::text[]) q, generate_series(1, 5)}, 'late');
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE queue = 'free'}, '5'), 'then tasks without a limit run');
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE queue = 'late' AND waiting_for IS NOT NULL}, '5'), 'and those whose limit cannot be counted wait');
like(psql_error($node, q{SET ROLE late; SELECT jadugar.rate_limit('one', 1)}), qr/too many limits of role "late" are in use/, 'a rate raises an error');
sql(q{SELECT count(reset_limit('queue', 'greedy1 ' || i)) FROM generate_series(1, 300) i});
sql(q{SELECT cancel_tasks(), count(alter_queue('greedy1 ' || i, reset => '{rate}')) FROM generate_series(1, 300) i}, 'greedy1');
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE queue = 'late'}, '5'), 'until there is room');
is(sql(q{SELECT max(n) FROM (SELECT count(*) AS n FROM history WHERE queue ~ '^greedy([2-9]|1[01]) ' GROUP BY queue) x}), 1, 'no limit was exceeded');
sql('SELECT cancel_tasks()', $_) foreach @greedy;

# --- lanes ----------------------------------------------------------------------

$n = 300;
foreach my $role (@greedy)
{
	sql(qq{SELECT create_queue('lanes of $role'), pause_queue('lanes of $role');
		SELECT count(enqueue('SELECT 1', queue => 'lanes of $role', tenant => 't' || i)) FROM generate_series(1, $n) i}, $role);
	$n = $n > 40 ? int($n / 2) + 1 : 20;
}
cmp_ok(held('lanes'), '>', 512 * 7 / 8 - 2, 'nearly all lanes are held: ' . health('lanes'));
sql(q{
	SELECT create_queue('turns'), pause_queue('turns');
	SELECT count(*) FROM enqueue_batch('SELECT busy()', array_fill('{}'::jsonb, ARRAY[200]), queue => 'turns', tenant => 'x');
	SELECT count(*) FROM enqueue_batch('SELECT busy()', array_fill('{}'::jsonb, ARRAY[200]), queue => 'turns', tenant => 'y');
	SELECT resume_queue('turns')}, 'modest');
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE owner = 'modest'}, '0'), 'tasks of the next role run');
my $share = sql(q{WITH h AS (SELECT tenant, row_number() OVER (ORDER BY started_at) AS n FROM history WHERE queue = 'turns')
	SELECT count(*) FROM h WHERE n <= 200 AND tenant = 'y'});
ok($share > 60 && $share < 140, "its tenants take turns: $share of 200");

# more roles than there is room for: their tasks run, by rest lanes
foreach my $role (@small)
{
	sql(q{SELECT create_queue(current_user::text), pause_queue(current_user::text);
		SELECT count(enqueue('SELECT 1', queue => current_user::text, tenant => 't' || i)) FROM generate_series(1, 5) i}, $role);
}
sql(q{SELECT create_queue('after all'); SELECT count(enqueue('SELECT 1', queue => 'after all', tenant => 't' || i)) FROM generate_series(1, 5) i}, 'late');
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE queue = 'after all'}, '5'), 'tasks of a role without a lane run');
sql(q{SELECT resume_queue(current_user::text)}, $_) foreach @small;
sql(qq{SELECT resume_queue('lanes of $_')}, $_) foreach @greedy;
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks}, '0'), 'all tasks run in the end');
is(sql(q{SELECT count(*), count(DISTINCT task_id) FROM history WHERE queue ~ '^lanes of'}), join('|', (300 + 151 + 76 + 39 + 20 * 8) x 2), 'each once');

$node->stop;
done_testing();
