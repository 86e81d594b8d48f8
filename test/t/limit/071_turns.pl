# Tenants take turns: a tenant with many tasks does not hold up one with few, and weights
# decide how much of the workers' time each has.  One worker runs all of them, so the
# history has their order.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main',
	'jadugar.max_workers' => 1, 'jadugar.max_workers_per_role' => 1);
create_extension($node);

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', "SET search_path = jadugar, public; $sql");
}

# Enqueues tasks of a millisecond for each tenant, and lets them begin at once.
sub run_tasks
{
	my (%tasks) = @_;

	sql(join ';', "SELECT pause_queue('default')",
		(map { "SELECT count(*) FROM enqueue_batch('SELECT busy()', array_fill('{}'::jsonb, ARRAY[$tasks{$_}]), tenant => '$_')" } sort keys %tasks),
		"SELECT resume_queue('default')");
	return poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
}

# The share of a tenant in the time of the first half of the tasks of these tenants.
sub share
{
	my ($tenant, @all) = @_;
	my $list = join ', ', map { "'$_'" } @all;

	return sql(qq{
		WITH h AS (SELECT tenant, finished_at - started_at AS took, row_number() OVER (ORDER BY started_at) AS n,
				count(*) OVER () AS count FROM history WHERE tenant IN ($list))
		SELECT round((100 * extract(epoch FROM sum(took) FILTER (WHERE tenant = '$tenant')) / extract(epoch FROM sum(took)))::numeric)
		FROM h WHERE n <= count / 2});
}

$node->safe_psql('postgres', q{
	CREATE FUNCTION busy() RETURNS void LANGUAGE plpgsql AS $$
		DECLARE until timestamptz := clock_timestamp() + '1 ms';
		BEGIN WHILE clock_timestamp() < until LOOP END LOOP; END $$;
	SELECT jadugar.create_tenant('light'), jadugar.create_tenant('heavy', weight => 3)});

# by label alone, three tenants with as much work
run_tasks(one => 600, two => 600, three => 600);
my @shares = map { share($_, qw(one two three)) } qw(one two three);
ok($_ >= 28 && $_ <= 39, "a third of the time: $_ %") foreach @shares;

run_tasks(light => 600, heavy => 600);
my $share = share('heavy', qw(light heavy));
ok($share >= 68 && $share <= 82, "three quarters of the time for three times the weight: $share %");

# tasks that run in a transaction of their own level take turns, too
sql(q{SELECT pause_queue('default');
	SELECT count(*) FROM enqueue_batch('SELECT busy()', array_fill('{}'::jsonb, ARRAY[300]), tenant => 'own level', transaction => 'repeatable read');
	SELECT count(*) FROM enqueue_batch('SELECT busy()', array_fill('{}'::jsonb, ARRAY[300]), tenant => 'other');
	SELECT resume_queue('default')});
poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
$share = share('own level', 'own level', 'other');
ok($share >= 40 && $share <= 60, "half of the time: $share %");

# one task behind thousands
sql(q{SELECT count(*) FROM enqueue_batch('SELECT busy()', array_fill('{}'::jsonb, ARRAY[3000]), tenant => 'big')});
ok(poll($node, q{SELECT count(*) > 0 FROM jadugar.history WHERE tenant = 'big'}), 'a tenant has much to do');
sql(q{SELECT enqueue('SELECT busy()', tenant => 'small')});
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE tenant = 'small'}, 1), 'the task of another one runs');
cmp_ok(sql(q{SELECT count(*) FROM tasks WHERE tenant = 'big'}), '>', 0, 'while the first still has tasks');
cmp_ok(sql(q{
	SELECT count(*) FROM history b, history s WHERE s.tenant = 'small' AND b.tenant = 'big'
		AND b.started_at > s.created_at AND b.started_at < s.started_at}), '<', 100, 'it did not wait for them');

# priority is strict
sql(q{SELECT enqueue('SELECT busy()', tenant => 'big', priority => 1)});
poll($node, q{SELECT count(*) FROM jadugar.history WHERE priority = 1}, 1);
cmp_ok(sql(q{SELECT count(*) FROM tasks WHERE tenant = 'big'}), '>', 0, 'a higher priority comes first');

# a tenant that is paused has no turn
sql(q{SELECT create_tenant('paused'), pause_tenant('paused');
	SELECT enqueue('SELECT 1', tenant => 'paused'), enqueue('SELECT 1', tenant => 'light')});
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE tenant = 'light'}, 601), 'another one has');
is(sql(q{SELECT status, waiting_for FROM tasks WHERE tenant = 'paused'}), 'pending|tenant_paused', 'its task waits');
sql(q{SELECT resume_tenant('paused')});
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE tenant = 'paused'}, 1), 'until it is resumed');
# While other tasks are ready, tasks that wait for a key join its holder only if they have
# its priority and tenant.
sql(join ';', 'SELECT pause_all()', 'CREATE TABLE public.effect (n integer)',
	(map {
		my $key = $_;
		map { qq{SELECT count(enqueue('INSERT INTO public.effect VALUES (1)', jsonb_build_object('key', '$key'), concurrency_key => '$key', $_->[1])) FROM generate_series(1, $_->[0])} }
			[ 20, 'priority => 0' ], [ 1, 'priority => -5' ], [ 1, q{priority => -5, tenant => 'one'} ]
	} qw(p q r)),
	q{SELECT count(enqueue('INSERT INTO public.effect VALUES (1)', '{"key": "none"}', priority => -1)) FROM generate_series(1, 40)},
	'SELECT resume_all()');
poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
my $ran = q{(SELECT payload ->> 'key' AS key, task_id, priority, row_number() OVER (ORDER BY started_at) AS n FROM history WHERE payload ? 'key')};
is(sql("SELECT count(*), count(DISTINCT task_id), (SELECT count(*) FROM public.effect) FROM $ran h"), '106|106|106', 'each task of the keys has run once');
is(sql("SELECT count(*) FROM (SELECT task_id, lag(task_id) OVER (PARTITION BY key ORDER BY n) AS before FROM $ran h) h WHERE before > task_id"),
	'0', 'in the order of their key');
is(sql("SELECT count(*) FROM (SELECT priority, lag(priority) OVER (ORDER BY n) AS before FROM $ran h) h WHERE before < priority"),
	'0', 'and the higher priority first');

# Each of many keys has a rate of its own: more than a process keeps.
sql(q{
	SELECT count(set_limit('key', 'rated' || i, rate => 1, per => '1 day')) FROM generate_series(1, 1500) i;
	SELECT count(enqueue('SELECT 1', jsonb_build_object('rated', i % 1500 + 1), concurrency_key => 'rated' || (i % 1500 + 1))) FROM generate_series(0, 2999) i});
ok(poll($node, q{SELECT waiting_for, count(*) FROM jadugar.tasks GROUP BY 1}, 'rate_limit|1500'), 'one task of each key waits for its rate');
is(sql(q{SELECT count(*), count(DISTINCT payload) FROM history WHERE payload ? 'rated'}), '1500|1500', 'after one has run');

$node->stop;
done_testing();
