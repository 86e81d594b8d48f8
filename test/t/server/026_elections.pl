# One of the schedulers of a database works, and the others wait to succeed it.  No
# occurrence is repeated or lost, whichever scheduler exits.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main', 'jadugar.worker_idle_timeout' => '10min');
create_extension($node);

my $schedulers = "FROM pg_stat_activity WHERE backend_type = 'jadugar scheduler'";
# The advisory lock of the scheduler.
my $lock = "FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND backend_type = 'jadugar scheduler'";

sub elected
{
	my $pid;

	poll($node, "SELECT count(*) $lock AND granted", '1');
	return $node->safe_psql('postgres', "SELECT pid $lock AND granted");
}

# Starts one more scheduler, which waits for the one that works.
sub another
{
	my $before = $node->safe_psql('postgres', "SELECT count(*) $schedulers");

	is($node->safe_psql('postgres', 'SELECT jadugar_internal._start_scheduler()'), 't', 'another scheduler is started');
	poll($node, "SELECT count(*) > $before $schedulers");
	poll($node, "SELECT count(*) = (SELECT count(*) - 1 $schedulers) $lock AND NOT granted");
	is($node->safe_psql('postgres', "SELECT count(*) $lock AND granted"), '1', 'one of the schedulers works');
	is($node->safe_psql('postgres', "SELECT count(*) $lock AND NOT granted AND query <> 'jadugar: waiting to be elected'"),
		'0', 'the other schedulers show that they wait');
	return;
}

sub completed
{
	my ($what) = @_;
	my $id = $node->safe_psql('postgres', "SELECT jadugar.enqueue('SELECT 1')");

	poll($node, "SELECT count(*) FROM jadugar.history WHERE task_id = $id AND status = 'completed'", '1');
	return pass("$what: tasks run");
}

# Waits until the schedule has run twice more.
sub ticks
{
	my ($what) = @_;
	my $runs = $node->safe_psql('postgres', "SELECT runs FROM jadugar.schedules WHERE name = 'tick'");

	poll($node, "SELECT runs >= $runs + 2 FROM jadugar.schedules WHERE name = 'tick'");
	return pass("$what: schedules fire");
}

my $first = elected();
$node->safe_psql('postgres', q{
	SELECT jadugar.schedule('tick', 'every 1 second', 'SELECT 1',
		overlap => 'parallel', misfire => 'all', misfire_grace => '1 hour')});
ticks('one scheduler');
another();
is(elected(), $first, 'the working scheduler continues');
ticks('two schedulers');
completed('two schedulers');

# A waiting scheduler exits
my $waiting = $node->safe_psql('postgres', "SELECT pid $lock AND NOT granted");
kill_process($waiting, 'TERM');
wait_for_exit($waiting);
is(elected(), $first, 'a waiting scheduler has exited: the working one continues');
completed('a waiting scheduler has exited');

# The working scheduler exits, several times
foreach my $round (1 .. 3)
{
	another();
	my $old = elected();
	kill_process($old, 'TERM');
	wait_for_exit($old);
	isnt(elected(), $old, "round $round: another is elected");
	ticks("round $round");
	completed("round $round");
}

# All exit at the same time
my @all = split /\n/, $node->safe_psql('postgres', "SELECT pid $schedulers");
kill_process($_, 'TERM') foreach @all;
wait_for_exit($_) foreach @all;
my $fresh = elected();
ok(!(grep { $_ == $fresh } @all), 'all schedulers have exited: a new one is started');
ticks('all schedulers have exited');
completed('all schedulers have exited');

# Each second has one occurrence
$node->safe_psql('postgres', "SELECT jadugar.pause_schedule('tick')");
poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
is($node->safe_psql('postgres', q{
	SELECT string_agg(DISTINCT status, ' '), count(*) - count(DISTINCT scheduled_for),
		extract(epoch FROM max(scheduled_for) - min(scheduled_for))::int - count(*) + 1
	FROM jadugar.history WHERE schedule = 'tick'}),
	'completed|0|0', 'every second was fired once, and none is missing');
is($node->safe_psql('postgres', "SELECT runs - (SELECT count(*) FROM jadugar.history WHERE schedule = 'tick') FROM jadugar.schedules WHERE name = 'tick'"),
	'0', 'the schedule has counted its occurrences');

# Transactions that another session commits.  The machine may be busy: the best of
# that number of tries counts.
my $best;
$node->safe_psql('postgres', 'CREATE TABLE mark (task_id bigint, at timestamptz)');
foreach my $try (1 .. 5)
{
	my $id = $node->safe_psql('postgres', q{
		BEGIN;
		SELECT jadugar.enqueue('SELECT 1');
		PREPARE TRANSACTION 'work'});
	completed("try $try: before it is committed");
	is($node->safe_psql('postgres', "SELECT count(*) FROM jadugar.history WHERE task_id = $id"),
		'0', "try $try: tasks of a prepared transaction do not run");
	$node->safe_psql('postgres', "INSERT INTO mark VALUES ($id, clock_timestamp()); COMMIT PREPARED 'work'");
	poll($node, "SELECT count(*) FROM jadugar.history WHERE task_id = $id AND status = 'completed'", '1');
	my $seconds = $node->safe_psql('postgres',
		"SELECT extract(epoch FROM started_at - at) FROM jadugar.history JOIN mark USING (task_id) WHERE task_id = $id");
	$best = $seconds if !defined $best || $seconds < $best;
	last if $best <= 1;
}
note("COMMIT PREPARED: a task starts after $best s");
cmp_ok($best, '<=', 1, 'a task starts within a second of COMMIT PREPARED');

# A task that is due later, and a schedule
my $later = $node->safe_psql('postgres', q{
	BEGIN;
	SELECT jadugar.enqueue('SELECT 2', delay => '300ms');
	PREPARE TRANSACTION 'later'});
$node->safe_psql('postgres', q{
	BEGIN;
	SELECT jadugar.schedule('prepared', 'every 1 second', 'SELECT 3', max_runs => 1);
	PREPARE TRANSACTION 'schedule'});
$node->safe_psql('postgres', "COMMIT PREPARED 'later'");
$node->safe_psql('postgres', "COMMIT PREPARED 'schedule'");
poll($node, "SELECT status FROM jadugar.history WHERE task_id = $later", 'completed');
poll($node, "SELECT status FROM jadugar.history WHERE schedule = 'prepared'", 'completed');
my $undone = $node->safe_psql('postgres', q{
	BEGIN;
	SELECT jadugar.enqueue('SELECT 4');
	PREPARE TRANSACTION 'undone'});
$node->safe_psql('postgres', "ROLLBACK PREPARED 'undone'");
completed('ROLLBACK PREPARED');
is($node->safe_psql('postgres', "SELECT count(*) FROM jadugar.history WHERE task_id = $undone"),
	'0', 'ROLLBACK PREPARED leaves nothing');
is($node->safe_psql('postgres', 'SELECT count(*) FROM jadugar.tasks'), '0', 'no task is left');

$node->stop;
done_testing();
