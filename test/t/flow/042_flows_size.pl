# Flows of the maximum size, and many at the same time, end correctly, and the
# processes use little memory.  "make bench" measures their speed.
use strict;
use warnings;

use JadugarTest;
use List::Util qw(max);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $size = 10_000;
my $limit = 300;    # MB

# A slow machine needs more time.
$deadline = 300;

my $node = new_cluster('main',
	'jadugar.max_workers' => 3, shared_buffers => '64MB', max_wal_size => '4GB');
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	SELECT jadugar.grant_access('app');
	CREATE TABLE effect (run_id bigint, step text, item integer);
	GRANT ALL ON effect TO app;
	CREATE FUNCTION work(data jsonb) RETURNS integer LANGUAGE sql AS $$
		INSERT INTO public.effect SELECT flow_run, step, (data->>'index')::integer FROM jadugar.current_task()
		RETURNING COALESCE(item, 0) $$;
	ALTER ROLE app SET search_path = jadugar, public});

sub app
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql, extra_params => [ '-U', 'app' ]);
}

# The largest amount of memory of a process of jadugar, with shared memory.
sub most_memory
{
	my $most = 0;

	foreach my $pid (jadugar_processes($node))
	{
		my ($kb) = (eval { slurp_file("/proc/$pid/status") } // '') =~ /^VmHWM:\s+(\d+) kB/m;
		$most = max($most, ($kb // 0) / 1024);
	}
	return $most;
}

# carry(NAME, START, SQL, WANTED): start a flow and wait for its end; the SQL about
# run $id returns WANTED, and every step took effect once.
sub carry
{
	my ($what, $start, $steps, $sql, $wanted) = @_;
	my $begun = time();
	my $id = app($start);

	is($node->safe_psql('postgres',
			"SELECT status, reason FROM jadugar.wait_flow($id, '$deadline s')"),
		'completed|', "$what: the run has completed");
	is($node->safe_psql('postgres',
			"SELECT count(*), count(DISTINCT (step, item)) FROM effect WHERE run_id = $id"),
		"$steps|$steps", "$what: every step took effect once");
	is($node->safe_psql('postgres', $sql =~ s/\$id/$id/gr), $wanted, "$what: its result")
	  if defined $sql;
	my $memory = most_memory();
	cmp_ok($memory, '<', $limit, "$what: no process is larger than $limit MB");
	note(sprintf('%s: %.1f s, %.0f MB', $what, time() - $begun, $memory));
	return;
}

# With a payload: without one, each step gets the results of all steps before it.
my $work = q{step('s' || i, 'SELECT work($1)', payload => '{}')};
my $most = $size - 10;

carry("a chain of $most steps",
	"SELECT start_flow(chain(array_agg($work ORDER BY i))) FROM generate_series(1, $most) i", $most,
	q{SELECT count(*) FROM (SELECT finished_at < lag(finished_at) OVER (ORDER BY node) AS early FROM jadugar_internal.flow_step WHERE run_id = $id AND node > 0) s WHERE early},
	'0');
carry("$most steps at once, and one that waits for all of them",
	"SELECT start_flow(parallel(array_agg($work ORDER BY i)) ~> step('z', 'SELECT work(\$1)')) FROM generate_series(1, $most) i", $most + 1,
	q{SELECT count(*) FROM jadugar_internal.flow_step s JOIN jadugar_internal.flow_step z USING (run_id)
		WHERE run_id = $id AND z.node = (SELECT max(node) FROM jadugar_internal.flow_step WHERE run_id = $id) AND s.node BETWEEN 1 AND z.node - 1 AND s.finished_at > z.started_at},
	'0');
carry("$most steps, a hundred at once",
	"SELECT start_flow(parallel(array_agg($work ORDER BY i), concurrency => 100)) FROM generate_series(1, $most) i", $most);
carry('a chain of 1000 steps that are given all results before',
	q{SELECT start_flow(chain(array_agg(step('s' || i, 'SELECT work($1) + jsonb_array_length(jsonb_path_query_array($1, ''$.steps.*''))') ORDER BY i))) FROM generate_series(1, 1000) i}, 1000,
	q{SELECT result FROM jadugar.flow_runs WHERE run_id = $id}, '{"?column?": 999}');
carry("an each over $size items",
	"SELECT start_flow(each('SELECT i FROM generate_series(1, $size) i', step('it', 'SELECT work(\$1)')))", $size,
	q{SELECT jsonb_array_length(result), (SELECT count(*) FROM jsonb_array_elements(result) WITH ORDINALITY e (v, n)
		WHERE v->>'status' = 'completed' AND v#>>'{result,work}' = (n - 1)::text) FROM jadugar_internal.flow_run WHERE run_id = $id},
	"$size|$size");

# Many runs that one transaction starts.
{
	my $begun = time();

	$node->safe_psql('postgres', 'TRUNCATE effect');
	app(q{SELECT create_flow('three', step('a', 'SELECT work($1)') ~> step('b', 'SELECT work($1)') ~> step('c', 'SELECT work($1)'))});
	app("SELECT count(start_flow('three')) FROM generate_series(1, $size)");
	poll($node, q{SELECT count(*) FROM jadugar_internal.flow_run WHERE finished_at IS NULL}, '0');
	is($node->safe_psql('postgres', q{SELECT status, count(*) FROM jadugar.flow_runs WHERE flow = 'three' GROUP BY 1}),
		"completed|$size", "$size runs at once have completed");
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT (run_id, step)) FROM effect'),
		3 * $size . '|' . 3 * $size, "$size runs at once: every step took effect once");
	my $memory = most_memory();
	cmp_ok($memory, '<', $limit, "$size runs at once: no process is larger than $limit MB");
	note(sprintf('%d runs: %.1f s, %.0f MB', $size, time() - $begun, $memory));
}

# Abort of a run with many running steps.
{
	my $id = app("SELECT start_flow(step('u', 'SELECT work(\$1)', compensate => 'SELECT 1') ~> parallel(array_agg(wait_signal('s' || i)))) FROM generate_series(1, $most) i");

	poll($node, "SELECT count(*) FROM jadugar_internal.flow_step WHERE run_id = $id AND event IS NOT NULL", $most);
	app("SELECT abort_flow($id)");
	is($node->safe_psql('postgres', "SELECT status, reason FROM jadugar.wait_flow($id, '$deadline s')"),
		'compensated|aborted', "$most waits are aborted");
}

is($node->safe_psql('postgres', 'SELECT * FROM jadugar.check_flows() LIMIT 10'), '', 'check_flows() is empty');
$node->stop;
done_testing();
