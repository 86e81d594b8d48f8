# A thousand tasks run exactly once while processes are killed at random moments:
# none is lost, none is doubled, and work continues without intervention.
#
# Environment: JADUGAR_ROUNDS (20), JADUGAR_SEED (printed at the start).
use strict;
use warnings;

use JadugarTest;
use List::Util qw(shuffle);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $rounds = $ENV{JADUGAR_ROUNDS} // 20;
my $seed = $ENV{JADUGAR_SEED} // int(rand(1_000_000));

srand($seed);
note("JADUGAR_SEED=$seed JADUGAR_ROUNDS=$rounds");

# The tasks do not cause these kills, so they must not fail because of them.
my $node = new_cluster('main',
	'jadugar.max_workers' => 3, 'jadugar.max_crashes' => 1000);
create_extension($node);

# No unique index: a task that ran twice would show.
$node->safe_psql('postgres', q{
	CREATE TABLE effect (task_id bigint);
	CREATE TABLE enqueued (task_id bigint);
	CREATE FUNCTION fails_once() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO effect SELECT task_id FROM jadugar.current_task();
		IF (SELECT attempt FROM jadugar.current_task()) = 1 THEN
			RAISE EXCEPTION 'this time it fails';
		END IF;
	END $$});

my $quick = 'INSERT INTO effect SELECT task_id FROM jadugar.current_task()';
my $flaky = 'SELECT fails_once()';
# waits-for-time: long enough for a kill to hit it
my $slow = 'INSERT INTO effect SELECT task_id FROM jadugar.current_task(), pg_sleep(0.02)';

my $total = 0;

sub enqueue
{
	my ($n, $command) = @_;

	$total += $n;
	$node->safe_psql('postgres', qq{
		INSERT INTO enqueued SELECT jadugar.enqueue_batch(
			\$\$$command\$\$, array_agg('{}'::jsonb)) FROM generate_series(1, $n)});
	return;
}

# Five tasks with one key, a chain of three, three that are due later, and one that
# fails before it succeeds: each of them is woken by another event.
sub enqueue_dependent
{
	my ($command, $flaky) = @_;

	$total += 12;
	$node->safe_psql('postgres', qq{
		INSERT INTO enqueued SELECT jadugar.enqueue('$command', concurrency_key => 'one')
		FROM generate_series(1, 5);
		INSERT INTO enqueued SELECT jadugar.enqueue('$command', delay => '50 ms')
		FROM generate_series(1, 3);
		INSERT INTO enqueued SELECT jadugar.enqueue('$flaky', retry => '{"delay": 0.01}');
		WITH a AS MATERIALIZED (SELECT jadugar.enqueue('$command') AS id),
			b AS MATERIALIZED (SELECT a.id AS a, jadugar.enqueue('$command', depends_on => ARRAY[a.id]) AS id FROM a),
			c AS MATERIALIZED (SELECT a, b.id AS b, jadugar.enqueue('$command', depends_on => ARRAY[b.id]) AS id FROM b)
		INSERT INTO enqueued SELECT unnest(ARRAY[a, b, id]) FROM c});
	return;
}

# Nothing is unfinished, and every effect exists once.
sub settled
{
	my ($what) = @_;

	poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
	is($node->safe_psql('postgres',
			'SELECT count(*), count(DISTINCT task_id) FROM effect'),
		"$total|$total", "$what: every task took effect once");
	is($node->safe_psql('postgres', q{
			SELECT count(*), count(*) FILTER (WHERE f = 1 AND c = 1)
			FROM enqueued LEFT JOIN (
				SELECT task_id, count(*) FILTER (WHERE final) AS f,
					count(*) FILTER (WHERE final AND status = 'completed') AS c
				FROM jadugar.history GROUP BY task_id) h USING (task_id)}),
		"$total|$total", "$what: the history has one final row for each task");
	is($node->safe_psql('postgres', q{
			SELECT count(*) FROM enqueued FULL JOIN effect USING (task_id)
			WHERE enqueued.task_id IS NULL OR effect.task_id IS NULL}),
		'0', "$what: the history has a final row for no other task");
	is($node->safe_psql('postgres',
			q{SELECT DISTINCT status, command FROM jadugar.history WHERE NOT final AND status <> 'lost'}),
		$what eq 'undisturbed' ? '' : "failed|$flaky",
		"$what: each attempt that is not final was lost with its process or intended to fail");
	poll($node, q{SELECT count(*) FROM jadugar.workers
		WHERE state NOT IN ('idle', 'starting') OR task_id IS NOT NULL}, '0');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM jadugar.running'),
		'0', "$what: no worker holds a task");
	return;
}

enqueue(1000, $quick);
settled('undisturbed');

# Each process equally often, in random order.
my @victims =
  shuffle((qw(worker scheduler launcher postmaster)) x int(($rounds + 3) / 4));
my %killed;
for my $round (1 .. $rounds)
{
	my $victim = $victims[ $round - 1 ];
	my $offset = log_offset($node);
	my $delay = int(rand(120_000));

	enqueue(150, $quick);
	enqueue(24, $slow);
	enqueue_dependent($quick, $flaky);
	my $pid = $victim eq 'postmaster' ? undef : wait_for_process($node, $victim);
	usleep($delay);    # waits-for-time: a random moment
	note("round $round: $victim after $delay us");
	if ($victim eq 'postmaster')
	{
		kill_postmaster($node);
	}
	elsif (!kill_process($pid, 'KILL'))
	{
		# A worker that had just exited.
		next;
	}
	$killed{$victim}++;
	wait_for_restart($node, $victim, $offset);
}
note(join(', ', map { "$_ killed $killed{$_} times" } sort keys %killed));
settled("$rounds rounds of kill -9");
note('lost attempts: ' . $node->safe_psql('postgres',
	q{SELECT count(*) FROM jadugar.history WHERE status = 'lost'}));

# The same with an administrator that terminates the processes.
@victims = shuffle((qw(worker scheduler launcher)) x int(($rounds + 2) / 3));
for my $round (1 .. $rounds)
{
	my $victim = $victims[ $round - 1 ];

	enqueue(150, $quick);
	enqueue(24, $slow);
	enqueue_dependent($quick, $flaky);
	my $pid = wait_for_process($node, $victim);
	usleep(int(rand(50_000)));    # waits-for-time: a random moment
	kill_process($pid, 'TERM') and wait_for_exit($pid);
}
settled("$rounds rounds of terminating");

enqueue(10, $quick);
settled('afterwards');

unlike(slurp_file($node->logfile), qr/PANIC:/, 'no process panicked');
$node->stop;
done_testing();
