# A thousand tasks run once each, and go on doing so while processes are killed
# at random moments: none is lost, none is doubled, work continues by itself.
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

# Kills are bad luck here, not the tasks' fault.
my $node = new_cluster('main',
	'jadugar.max_workers' => 3, 'jadugar.max_crashes' => 1000);
create_extension($node);

# No unique index: a task that ran twice would show.
$node->safe_psql('postgres', q{
	CREATE TABLE effect (task_id bigint);
	CREATE TABLE enqueued (task_id bigint)});

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

# Nothing is unfinished, and what happened is what was to happen.
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
		"$total|$total", "$what: the history has one final row for each");
	is($node->safe_psql('postgres', q{
			SELECT count(*) FROM enqueued FULL JOIN effect USING (task_id)
			WHERE enqueued.task_id IS NULL OR effect.task_id IS NULL}),
		'0', "$what: these and no others");
	is($node->safe_psql('postgres',
			q{SELECT DISTINCT status FROM jadugar.history WHERE NOT final AND status <> 'lost'}),
		'', "$what: what was not final was lost with its process");
	poll($node, q{SELECT count(*) FROM jadugar.workers
		WHERE state NOT IN ('idle', 'starting') OR task_id IS NOT NULL}, '0');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM jadugar.running'),
		'0', "$what: no worker holds a task");
	return;
}

my $quick = 'INSERT INTO effect SELECT task_id FROM jadugar.current_task()';
my $slow = 'INSERT INTO effect SELECT task_id FROM jadugar.current_task(), pg_sleep(0.02)';

enqueue(1000, $quick);
settled('undisturbed');

sub back_again
{
	my ($killed, $offset) = @_;

	if ($killed eq 'postmaster')
	{
		$node->start;
		return;
	}
	wait_for_log($node, qr/all server processes terminated; reinitializing/, $offset);
	poll($node, 'SELECT true');
	return;
}

# Each of them equally often, in any order.
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
	my $pid = $victim eq 'postmaster' ? undef : wait_for_process($node, $victim);
	usleep($delay);    # waits-for-time: a random moment is what is wanted
	note("round $round: $victim after $delay us");
	if ($victim eq 'postmaster')
	{
		kill_postmaster($node);
	}
	elsif (!kill_process($pid, 'KILL'))
	{
		# A worker that had just left of its own accord.
		next;
	}
	$killed{$victim}++;
	back_again($victim, $offset);
}
note(join(', ', map { "$_ killed $killed{$_} times" } sort keys %killed));
settled("$rounds rounds of kill -9");
note('lost attempts: ' . $node->safe_psql('postgres',
	q{SELECT count(*) FROM jadugar.history WHERE status = 'lost'}));

enqueue(10, $quick);
settled('afterwards');

unlike(slurp_file($node->logfile), qr/PANIC:/, 'no process panicked');
$node->stop;
done_testing();
