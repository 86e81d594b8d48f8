# Bench::Measure::Flows: the cost of a step of a flow compared with a plain task
# for the same work, the duration of a short chain on an idle server, large flows,
# and events beside open waits.  A run counts only if the row of every step exists
# exactly once, and if every wait that an event is for has ended.
package Bench::Measure::Flows;

use strict;
use warnings;

use Bench::Jadugar;
use Bench::Measure::Latency;
use Bench::Stats;

our $name = 'flows';

my $warm_up = 20;

# Ways to start tasks and runs: %s is the call, which has n for its number.
my %start = (
	'in one transaction' => q{SELECT count(*) FROM (SELECT %s FROM generate_series(1, %d) n) x},
	'a commit each' => q{DO $do$ BEGIN FOR n IN 1 .. %2$d LOOP PERFORM %1$s; COMMIT; END LOOP; END $do$});
my $enqueue = qq{jadugar.enqueue(\$t\$$work\$t\$, jsonb_build_object('n', n))};

# Competitor: steps per run, and the call.  Every database has all flows.
my %kind = (
	'plain tasks' => [ 1, $enqueue ],
	'plain tasks, a call each' => [ 1, $enqueue ],
	'chain of three' => [ 3, q{jadugar.start_flow('chain', jsonb_build_object('n', n))} ],
	'parallel of ten' => [ 10, q{jadugar.start_flow('parallel', jsonb_build_object('n', n))} ]);

sub measure
{
	my ($run) = @_;

	foreach my $round (1 .. $run->rounds(2, 4))
	{
		foreach my $workers (1, 2)
		{
			costs($run, $workers, $_, $round) foreach sort keys %start;
		}
	}
	latency($run) foreach 1 .. $run->rounds(1, 3);
	size($run) foreach 1 .. $run->rounds(1, 3);
	events($run) foreach 1 .. $run->rounds(2, 4);
	return;
}

# steps(BUILDER, N): return an SQL expression for a flow of N steps.  Each step
# inserts a different row, computed from the number of the run.
sub steps
{
	my ($builder, $n) = @_;

	return "(SELECT jadugar.$builder(array_agg(jadugar.step('s' || k, format(\$f\$INSERT INTO effect "
	  . "VALUES ((\$1->'input'->>'n')::integer * $n + %s)\$f\$, k)) ORDER BY k)) FROM generate_series(0, $n - 1) k)";
}

# Create a database with warm workers and the flows.
sub fresh
{
	my ($run, $workers) = @_;
	my $server = $run->{server};

	$server->set('jadugar.max_workers_per_role' => $workers);
	my $db = fresh_jadugar($run);
	my $session = $server->session($db);
	$session->query(q{SELECT jadugar.create_flow('chain', } . steps('chain', 3) . ')');
	$session->query(q{SELECT jadugar.create_flow('parallel', } . steps('parallel', 10) . ')');
	wait_for_workers($run, $db, $workers);
	foreach my $who ('chain of three', 'parallel of ten')
	{
		finish($run, $session, 100 * $workers * $kind{$who}[0],
			sprintf($start{'in one transaction'}, $kind{$who}[1], 100 * $workers));
	}
	$session->query('TRUNCATE effect');
	return ($db, $session);
}

# finish(RUN, SESSION, N, SQL): run SQL, which starts N tasks, and wait until they
# have completed.
sub finish
{
	my ($run, $session, $n, $sql) = @_;
	my $before = $session->query('SELECT completed FROM jadugar.stats');

	$session->query($sql);
	wait_for_completed($run, $session, $before + $n, 300);
	return;
}

# timed(RUN, DB, SESSION, N, SQL [, MORE]): the same for N tasks that insert a row
# and MORE tasks that insert none.  Return the seconds from the start of the
# statement to the end of the last task, and the CPU time of all processes.
sub timed
{
	my ($run, $db, $session, $n, $sql, $more) = @_;
	my $server = $run->{server};

	$server->settle($db);
	my $meters = $server->meters;
	my $start = $session->query('SELECT extract(epoch FROM clock_timestamp())');
	finish($run, $session, $n + ($more // 0), $sql);
	my $after = $server->meters;
	my $end = $session->query('SELECT extract(epoch FROM max(finished_at)) FROM jadugar.history');
	$run->same('effects', $session->query('SELECT count(*), count(DISTINCT n) FROM effect'), "$n|$n");
	$run->same('flow runs that have not completed', $session->query(
		q{SELECT count(*) FROM jadugar.flow_runs WHERE status <> 'completed'}), 0);
	return ($end - $start, $server->used($meters, $after, $after)->{cpu_s});
}

# Plain tasks and flows alternate.  Each ratio compares flows with the plain tasks
# measured next to them.
sub costs
{
	my ($run, $workers, $how, $round) = @_;
	my $x = "$how, $workers worker" . ($workers > 1 ? 's' : '');
	my @whos = $how eq 'a commit each' ? ('plain tasks', 'chain of three', 'parallel of ten')
	  : ('plain tasks', 'chain of three', 'plain tasks, a call each', 'parallel of ten');
	my $full = $how eq 'a commit each' ? 30_000 : 90_000;
	my %cost;

	foreach my $who ($round % 2 ? @whos : reverse @whos)
	{
		my ($width, $call) = @{ $kind{$who} };
		my $runs = int($run->pick($full / 3, $full) / $width);
		my ($db, $session) = fresh($run, $workers);
		my $sql = $who eq 'plain tasks' && $how ne 'a commit each'
		  ? qq{SELECT count(*) FROM jadugar.enqueue_batch(\$\$$work\$\$, } . payloads($runs) . ')'
		  : sprintf($start{$how}, $call, $runs);
		my ($seconds, $cpu) = timed($run, $db, $session, $runs * $width, $sql);
		$cost{$who} = [ map { 1e6 * $_ / $runs / $width } $cpu, $seconds ];
		$session->close;
		$run->{server}->drop($db);
	}
	foreach my $who (@whos)
	{
		$run->add($name, 'CPU µs a step', $who, $x, $cost{$who}[0]);
		$run->add($name, 'µs a step', $who, $x, $cost{$who}[1]);
		$run->add($name, 'CPU, × plain', $who, $x, $cost{$who}[0] / $cost{'plain tasks'}[0]);
		$run->add($name, 'time, × plain', $who, $x, $cost{$who}[1] / $cost{'plain tasks'}[1]);
	}
	return;
}

# Two times: from the acknowledged commit of start_flow() to the statement of the
# last step, and from that commit until the starting session sees the end.
sub latency
{
	my ($run) = @_;
	my $server = $run->{server};
	my $n = $run->pick(200, 400) + $warm_up;
	my ($db, $session) = fresh($run, 1);

	$session->query('CREATE TABLE seen (n integer, at timestamptz)');
	$session->query('CREATE TABLE waited (n integer, over float8, told float8)');
	$session->query(q{SELECT jadugar.create_flow('short', jadugar.chain(ARRAY[
		jadugar.step('a', $$INSERT INTO effect VALUES (($1->'input'->>'n')::integer)$$),
		jadugar.step('b', $$INSERT INTO effect VALUES (-($1->'input'->>'n')::integer)$$),
		jadugar.step('c', $$INSERT INTO seen VALUES (($1->'input'->>'n')::integer, clock_timestamp())$$)]))});
	# _v_wait_flow() is wait_flow() without the query for its result.
	$server->session($db, 'postgres')->query("GRANT USAGE ON SCHEMA jadugar_internal TO $Bench::Server::role");
	$session->query(q{CREATE PROCEDURE once(n integer) LANGUAGE plpgsql AS $$
		DECLARE
			run bigint := jadugar.start_flow('short', jsonb_build_object('n', n));
			at timestamptz[];
		BEGIN
			COMMIT;
			at[0] := clock_timestamp();
			PERFORM jadugar_internal._v_wait_flow(run, NULL);
			at[1] := clock_timestamp();
			PERFORM jadugar.wait_flow(run);
			at[2] := clock_timestamp();
			INSERT INTO waited VALUES (n, extract(epoch FROM at[1] - at[0]) * 1000, extract(epoch FROM at[2] - at[0]) * 1000);
		END $$});
	my $before = $session->query('SELECT completed FROM jadugar.stats');
	my $acknowledged = Bench::Measure::Latency::client($run, $db,
		q{SELECT jadugar.start_flow('short', jsonb_build_object('n', $1::integer))}, $n);
	wait_for_completed($run, $session, $before + 3 * $n, 10);
	Bench::Measure::Latency::client($run, $db, 'CALL once($1::integer)', $n);
	my %seen = map { @$_ } $session->rows(q{SELECT n, round(extract(epoch FROM min(at)) * 1e6) FROM seen GROUP BY n});
	my %ms = (
		'last statement of the last step' => [ map { ($seen{$_} - $acknowledged->{$_}) / 1000 } grep { $_ > $warm_up } keys %$acknowledged ],
		'another session sees that the run is over' => [ map { $_->[0] } $session->rows("SELECT over FROM waited WHERE n > $warm_up") ],
		'wait_flow() has returned the run' => [ map { $_->[0] } $session->rows("SELECT told FROM waited WHERE n > $warm_up") ]);
	foreach my $who (sort keys %ms)
	{
		$run->same("$who, runs", scalar @{ $ms{$who} }, $n - $warm_up);
		$run->keep($name, 'ms', $who, '', @{ $ms{$who} });
		$run->add($name, 'p50 ms', $who, '', percentile(50, @{ $ms{$who} }));
		$run->add($name, 'p99 ms', $who, '', percentile(99, @{ $ms{$who} }));
	}
	$session->close;
	$server->drop($db);
	return;
}

# Large flows, each compared with as many plain tasks.  Every step has its own
# payload, as every task has.
my $many = 10_000;
my $own = qq{jadugar.step('s' || n, \$t\$$work\$t\$, jsonb_build_object('n', n))};
my $all = "(SELECT array_agg($own ORDER BY n) FROM generate_series(1, %d) n)";
my @large = (
	[ 'chain of 10,000', $many, 'jadugar.chain(' . sprintf($all, $many) . ')' ],
	[ 'parallel of 9,999, then one', $many, 'jadugar.chain(ARRAY[jadugar.parallel(' . sprintf($all, $many - 1) . "), "
		  . "jadugar.step('last', \$t\$$work\$t\$, '{\"n\": $many}')])" ],
	[ 'each over 10,000', $many, "jadugar.each('SELECT n FROM generate_series(1, $many) n', jadugar.step('s', "
		  . q{$t$INSERT INTO effect VALUES (($1->'item'->>'n')::integer)$t$))}, 1 ],
	[ '10,000 chains of three', 3 * $many, undef ]);

sub size
{
	my ($run) = @_;

	foreach my $large (@large)
	{
		my ($who, $steps, $flow, $more) = @$large;
		my ($db, $session) = fresh($run, 2);
		my ($plain) = timed($run, $db, $session, $steps,
			qq{SELECT count(*) FROM jadugar.enqueue_batch(\$\$$work\$\$, } . payloads($steps) . ')');
		$session->query('TRUNCATE effect');
		$session->query("SELECT jadugar.create_flow('large', $flow)") if $flow;
		my ($seconds) = timed($run, $db, $session, $steps, $flow ? q{SELECT jadugar.start_flow('large')}
			: sprintf($start{'in one transaction'}, $kind{'chain of three'}[1], $many), $more);
		$run->add($name, 'seconds', $who, '', $seconds);
		$run->add($name, 'steps/s', $who, '', $steps / $seconds);
		$run->add($name, '× plain tasks', $who, '', $seconds / $plain);
		$session->close;
		$run->{server}->drop($db);
	}
	return;
}

# Events that each end one wait, beside 10 and 100,000 open waits for other keys of
# the same type.  Ten rounds with the few alternate with ten with the many; the
# time is from the first commit to the end of the last wait.
sub events
{
	my ($run) = @_;
	my $server = $run->{server};
	my %open = (10 => undef, 100_000 => undef);
	my %us = map { $_ => [] } keys %open;
	my $each = $run->pick(500, 2000);

	foreach my $n (sort keys %open)
	{
		my ($db, $session) = fresh($run, 1);
		my $admin = $server->session($db, 'postgres');

		$session->query(qq{SELECT count(jadugar.start_flow(jadugar.wait_event('bench', key => 'open' || i))) FROM generate_series(1, $n) i});
		$admin->query('VACUUM ANALYZE');
		$open{$n} = [ $db, $session, $admin ];
	}
	foreach my $round (1 .. 10)
	{
		push @{ $us{$_} }, answered($run, @{ $open{$_} }[ 1, 2 ], $each, $round) foreach $round % 2 ? (10, 100_000) : (100_000, 10);
	}
	foreach my $n (sort keys %open)
	{
		my ($db, $session, $admin) = @{ $open{$n} };

		$run->same('open waits', $session->query('SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NULL'), $n);
		$run->add($name, 'µs an event', 'event that ends a wait', $n, percentile(50, @{ $us{$n} }));
		$_->close foreach $session, $admin;
		$server->drop($db);
	}
	$run->add($name, '× beside 10', 'event that ends a wait', 100_000, percentile(50, @{ $us{100_000} }) / percentile(50, @{ $us{10} }));
	return;
}

# answered(RUN, SESSION, ADMIN, N, ROUND): start N waits, then publish an event for
# each, in a transaction of its own.  Return the microseconds an event, from the
# first event until all waits have ended.
sub answered
{
	my ($run, $session, $admin, $n, $round) = @_;
	my ($first, $last) = split /\|/, $session->query(qq{SELECT min(run), max(run)
		FROM (SELECT jadugar.start_flow(jadugar.wait_event('bench', key => 'r$round.' || i)) AS run FROM generate_series(1, $n) i) x});
	my $runs = "jadugar_internal.flow_run WHERE run_id BETWEEN $first AND $last";
	my $start = $session->query('SELECT extract(epoch FROM clock_timestamp())');

	$session->query(qq{DO \$\$ BEGIN FOR i IN 1 .. $n LOOP PERFORM jadugar.publish('bench', key => 'r$round.' || i); COMMIT; END LOOP; END \$\$});
	$run->{server}->poll(sub { $admin->query("SELECT count(*) FROM $runs AND finished_at IS NOT NULL") == $n }, 'the waits have ended', 60);
	return 1e6 * ($admin->query("SELECT extract(epoch FROM max(finished_at)) FROM $runs") - $start) / $n;
}

1;
