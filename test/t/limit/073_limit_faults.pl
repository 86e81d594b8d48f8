# Limits and turns at instants that seldom meet: a place is given back while a worker
# is about to wait for it; the clock is set while a task runs.
use strict;
use warnings;

use JadugarTest;
use Kill;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main',
	-faults => 1, 'jadugar.max_workers' => 8, 'jadugar.max_workers_per_role' => 1);
create_extension($node);

sub sql
{
	my ($sql, $role) = @_;

	return $node->safe_psql('postgres', ($role ? "SET ROLE $role;" : '') . "SET search_path = jadugar, public; $sql");
}

# Arms a fault point in all processes; '': none.
sub arm
{
	my ($fault) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.fault = '$fault'");
	$node->reload;
	return poll($node, q{SELECT current_setting('jadugar.fault')}, $fault);
}

# --- a place --------------------------------------------------------------------

is(join(' ', grep { /^limit-/ } fault_points()), 'limit-refused', 'every fault point of limits is tested');

my $faults = $node->data_dir . '/jadugar_fault';
my $holder = $node->background_psql('postgres');

$node->safe_psql('postgres', q{
	CREATE FUNCTION busy() RETURNS void LANGUAGE plpgsql AS $$
		DECLARE until timestamptz := clock_timestamp() + '1 ms';
		BEGIN WHILE clock_timestamp() < until LOOP END LOOP; END $$;
	CREATE ROLE a LOGIN;
	CREATE ROLE b LOGIN;
	SELECT jadugar.grant_access('a'), jadugar.grant_access('b');
	SELECT jadugar.create_queue('one', 1), jadugar.grant_queue('one', 'a'), jadugar.grant_queue('one', 'b')});
$holder->query_safe('SELECT pg_advisory_lock(1)');
sql(q{SELECT enqueue('SELECT 1')}, 'a');
ok(poll($node, q{SELECT count(*) FROM jadugar.workers WHERE owner = 'a' AND state = 'idle'}, 1), 'a worker is idle');
sql(q{SELECT enqueue('SELECT pg_advisory_xact_lock(1)', queue => 'one')}, 'b');
ok(poll($node, q{SELECT status FROM jadugar.tasks}, 'running'), 'a task of another role has the place of the queue');
arm('limit-refused:wait');
sql(q{SELECT enqueue('SELECT 1', queue => 'one')}, 'a');
poll_sub('the worker finds no room', sub { return -e "$faults.1" });
$holder->query_safe('SELECT pg_advisory_unlock(1)');
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE owner = 'b'}, 1), 'the place is given back, and nobody waits for it yet');
arm('');
append_to_file("$faults.go", '');
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE owner = 'a'}, 2), 'the task begins');
$holder->quit;
unlink "$faults.1", "$faults.go";

# --- the clock ------------------------------------------------------------------

sql(q{
	SELECT pause_queue('default');
	SELECT count(enqueue('SELECT busy()', tenant => t)) FROM unnest('{x,y}'::text[]) t, generate_series(1, 40)}, undef);
arm('task-begins:jump');
sql(q{SELECT resume_queue('default')});
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks}, 0), 'all tasks run');
cmp_ok(sql(q{SELECT max(finished_at - started_at) FROM history}), 'gt', '1 day', 'the clock was set while one ran');
my $turns = sql(q{
	SELECT min(n) FROM (SELECT count(*) AS n FROM
		(SELECT tenant FROM history WHERE tenant IS NOT NULL ORDER BY started_at LIMIT 40) h GROUP BY tenant) x});
cmp_ok($turns, '>', 10, "the tenants take turns nevertheless: $turns of 40");

$node->stop;
done_testing();
