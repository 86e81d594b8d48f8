# At each fault point of the sources, and so for each row of the crash table in
# doc/architecture.md, a process fails.  Afterwards the tables prove that nothing
# was lost or doubled, that the history is complete, that nothing is stuck, and
# that exactly the right attempts were charged.
use strict;
use warnings;

use JadugarTest;
use Kill;
use PostgreSQL::Test::Utils;
use Prove;
use Test::More;
use Time::HiRes qw(usleep);

my $node = new_cluster('main', -faults => 1,
	'jadugar.max_workers' => 3,
	'jadugar.max_crashes' => 1000,
	'jadugar.cancel_grace' => '50ms',
	shared_buffers => '16MB',
	log_min_messages => 'warning',
	log_line_prefix => '%m %b[%p] %e %q%a ',
	include_if_exists => 'torture.conf');
my %t = (node => $node, offset => 0, changed => {});

$node->safe_psql('postgres', slurp_file("$top/test/torture/setup.sql"));
# one schedule is enough
$node->safe_psql('postgres', q{
	SELECT jadugar.unschedule(name, owner => owner) FROM jadugar.schedules WHERE name NOT IN ('parallel', 'boot')});
come_to_rest(\%t);
forget(\%t);

$node->safe_psql('postgres', q{
	CREATE FUNCTION torture.put(tag text, name text, kind text, command text, payload jsonb DEFAULT '{}', parent bigint DEFAULT NULL,
		key text DEFAULT NULL, delay interval DEFAULT NULL)
	RETURNS bigint LANGUAGE sql AS $$
		INSERT INTO torture.ledger VALUES (tag || '.' || name, tag, kind, NULL, 'acked');
		SELECT jadugar.enqueue(command, payload || jsonb_build_object('tag', tag || '.' || name), depends_on => NULLIF(ARRAY[parent], '{NULL}'),
			concurrency_key => key, delay => delay, retry => '{"max_attempts": 5, "delay": 0.01}') $$;
	CREATE PROCEDURE torture.endless() LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3600); END $$});    # waits-for-time: killed

my $n = 0;

$deadline = 60;

# Runs SQL in a session during which the server may go down.  A psql whose
# connection is refused may exit before it has read its input.
sub try
{
	my ($sql) = @_;

	return eval { $node->psql('postgres', $sql, on_error_stop => 1, stderr => \my $err) };
}

# One transaction: tasks of each kind that passes a fault point, and the ledger.
sub work
{
	my (%o) = @_;
	my $before = $o{before} // '';
	my $end = $o{end} // 'COMMIT';
	my $tag = 'w' . ++$n;

	return try(qq{
		SET client_min_messages = error;
		$before;
		BEGIN;
		SELECT torture.put('$tag', 'quick' || i, 'once', 'SELECT torture.work(\$1)') FROM generate_series(1, 5) i;
		SELECT torture.put('$tag', 'child', 'once', 'SELECT torture.work(\$1)', parent =>
			torture.put('$tag', 'parent', 'once', 'SELECT torture.work(\$1)'));
		SELECT torture.put('$tag', 'key' || i, 'once', 'SELECT torture.work(\$1)', key => 'k') FROM generate_series(1, 3) i;
		SELECT torture.put('$tag', 'later', 'once', 'SELECT torture.work(\$1)', delay => '20 milliseconds');
		SELECT torture.put('$tag', 'again', 'once', 'SELECT torture.work(\$1)', '{"fail": 1}');
		SELECT torture.put('$tag', 'hooked', 'hooked', 'torture_function');
		SELECT torture.put('$tag', 'walk', 'some', 'CALL torture.walk(\$1)');
		SELECT jadugar.cancel(torture.put('$tag', 'cancelled', 'once', 'SELECT torture.work(\$1)', delay => '1 hour'));
		$end});
}

# enqueues a task that runs until it is stopped or killed, and returns its id
sub endless
{
	my ($command) = @_;

	# waits-for-time: killed or cancelled
	my $id = $node->safe_psql('postgres', "SELECT jadugar.enqueue('" . ($command // 'SELECT pg_sleep(3600)') . "')");
	poll($node, "SELECT count(*) FROM jadugar.running WHERE task_id = $id", '1');
	return $id;
}

sub pid_of
{
	my ($id) = @_;

	return $node->safe_psql('postgres', "SELECT pid FROM jadugar.running WHERE task_id = $id");
}

sub stop_endless
{
	my ($id) = @_;

	return poll($node, "SELECT jadugar.cancel($id)");
}

sub hit
{
	return -e $node->data_dir . '/jadugar_fault.1';
}

# The ways to reach a fault point.  The server may go down in each of them.
my %drive = (
	work => sub { work() },
	# in the session itself
	session => sub { my ($what) = @_; work(before => "SET jadugar.fault = '$what'") },
	prepared => sub {
		my ($what) = @_;

		work(end => "PREPARE TRANSACTION 'one'");
		try("SET jadugar.fault = '$what'; COMMIT PREPARED 'one'");
	},
	# a session counts a queue that is used for the first time
	counting => sub {
		my ($what) = @_;

		try(q{SELECT jadugar.create_queue('counted} . ++$n . q{', max_depth => 1)});
		try("SET jadugar.fault = '$what'; SELECT jadugar.enqueue('SELECT 1', queue => 'counted$n')");
	},
	# a new worker, scheduler or launcher
	worker => sub {
		work();
		# a worker that is terminated may be inside a task, which is charged then
		try(q{SELECT jadugar.restart_workers(role => r) FROM unnest('{postgres,alice}'::text[]) r});
		work();
	},
	scheduler => sub { eval { kill_process($_, 'TERM') foreach jadugar_processes($node, 'scheduler') }; work() },
	launcher => sub { eval { kill_process($_, 'TERM') foreach jadugar_processes($node, 'launcher') }; work() },
	# the task kills its worker, or the server
	dead => sub { my $id = endless(); kill_process(pid_of($id), 'TERM'); return $id; },
	crashed => sub { my $id = endless(); kill_process(pid_of($id), 'KILL'); return $id; },
	orphan => sub {
		my $id = endless('CALL torture.endless()');

		kill_process((jadugar_processes($node, 'launcher'))[0], 'KILL');
		return $id;
	},
	# a cancel from a session
	cancel => sub {
		my ($what) = @_;
		my $id = endless();

		$node->psql('postgres', "SET jadugar.fault = '$what'; SELECT jadugar.cancel($id)");
		return $id;
	},
	# A task fails whose command is safe: it is fused with its group.
	undone => sub {
		try(q{SET client_min_messages = error; SELECT torture.put('u} . ++$n . q{', 'fused' || i, 'once', 'SELECT /* fused */ torture.work($1)',
				CASE WHEN i = 150 THEN '{"fail": 1}'::jsonb ELSE '{}' END) FROM generate_series(1, 155) i});
	},
	# A cancel from a session reaches such a task.
	cancel_fused => sub {
		my $command = 'SELECT pg_sleep($1::float8)';    # waits-for-time: cancelled

		try("SELECT count(*) FROM jadugar.enqueue_batch('$command', array_fill('0'::jsonb, '{150}'))");
		poll($node, "SELECT count(*) FROM jadugar.tasks WHERE command = '$command'", '0');
		my $id = $node->safe_psql('postgres', "SELECT jadugar.enqueue('$command', '3600')");
		poll($node, "SELECT count(*) FROM jadugar.running WHERE task_id = $id", '1');
		try("SELECT jadugar.cancel($id)");
		return $id;
	},
	stubborn => sub {
		$node->psql('postgres', q{SELECT jadugar.enqueue('SELECT torture.work($1)', '{"stubborn": 3600}', timeout => '50 ms', retry => '{"max_attempts": 1}')});
	},
	bad_commit => sub {
		# "unsupported ON COMMIT and foreign key combination", said only at commit
		$node->psql('postgres', q{SELECT jadugar.enqueue(
			'CREATE TEMP TABLE a (n int PRIMARY KEY) ON COMMIT DELETE ROWS; CREATE TEMP TABLE b (n int REFERENCES a)',
			retry => '{"max_attempts": 1}')});
	},
	start => sub { $node->restart; },
	tomorrow => sub {
		change(\%t, 'jadugar.clock_offset' => $t{offset} += 86400 * 2);
		work();
	},
	# drops the history of today: there should be none
	retention => sub {
		come_to_rest(\%t);
		forget(\%t, 1);
		# hourly maintenance is overdue
		change(\%t, 'jadugar.clock_offset' => $t{offset} += 86400 * 40);
		poll_sub('maintenance has come', sub { hit() });
	},
	# texts that nothing uses any more, and the next sweep
	unused => sub {
		$node->safe_psql('postgres', q{SELECT count(jadugar.enqueue('SELECT ' || n)) FROM generate_series(1, 150) n});
		come_to_rest(\%t);
		change(\%t, 'jadugar.clock_offset' => $t{offset} += 86400 * 2);
		poll_sub('the sweep has come', sub { hit() });
	},
	# the first limit of a handler, and a tenant, while their tasks wait
	lanes => sub {
		++$n;
		try(qq{
			SELECT jadugar.register_sql_handler('lanes $n', 'SELECT 1'), jadugar.enqueue('lanes $n', delay => '1 second'),
				jadugar.enqueue('SELECT 1', delay => '1 second', tenant => 'lanes $n');
			SELECT jadugar.set_limit('handler', 'lanes $n', 5), jadugar.create_tenant('lanes $n')});
		poll($node, 'SELECT count(*) FROM jadugar_internal.lane_change', '0');
	},
	# in the session itself
	cache => sub {
		my ($what) = @_;

		try("SET jadugar.fault = '$what'; SELECT jadugar.cache_set('k', '1')");
	},
	actor => sub {
		try(q{
			CREATE OR REPLACE FUNCTION torture.echo(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE sql AS 'SELECT state, message';
			SELECT jadugar.register_actor('echo', 'torture.echo', or_replace => true), jadugar.send('echo', 'k', '{}')});
	},
	# so many messages that some run without a subtransaction
	together => sub {
		try(q{
			CREATE OR REPLACE FUNCTION torture.echo(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE sql AS 'SELECT state, message';
			SELECT jadugar.register_actor('echo', 'torture.echo', or_replace => true);
			SELECT jadugar.send('echo', 'k' || n % 3, '{}') FROM generate_series(1, 60) n});
	},
	# a message fails and stops its key
	stopped => sub {
		try(q{
			CREATE OR REPLACE FUNCTION torture.stops(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE plpgsql AS
				$$ BEGIN RAISE EXCEPTION 'stopped' USING ERRCODE = '22000'; END $$;
			SELECT jadugar.register_actor('stops', 'torture.stops', on_failure => 'stop', or_replace => true), jadugar.send('stops', 'k', '{}')});
	},
	fallback => sub { try(q{SELECT jadugar.enqueue('SELECT 1/0', retry => '{"max_attempts": 1, "fallback": "SELECT 1"}')}) },
	adopt => sub {
		my ($what) = @_;

		$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE postgres');
		$node->psql('copy', "SET jadugar.fault = '$what'; SELECT jadugar.adopt()");
	});

# Fault point, the way to reach it, attempts that are lost, actions there.
my @points = (
	[ 'enqueue-before-commit', 'session', 0, qw(kill9 sigterm error) ],
	[ 'commit-callback', 'session', 0, qw(kill9 panic) ],
	[ 'prepared-before-wake', 'prepared', 0, qw(kill9 sigterm) ],
	[ 'depth-prepared-counted', 'counting', 0, qw(kill9 error) ],
	[ 'promote-before-commit', 'work', 0, qw(kill9 sigterm) ],
	[ 'promote-committed', 'work', 0, qw(kill9) ],
	[ 'resolve-dependent', 'work', 0, qw(kill9 sigterm) ],
	[ 'resolve-key', 'work', 0, qw(kill9 error) ],
	[ 'resolve-before-commit', 'work', 0, qw(kill9 sigterm error) ],
	[ 'reports-taken', 'work', 0, qw(kill9 error) ],
	[ 'claim-held', 'work', 0, qw(kill9 sigterm) ],
	[ 'claim-locked', 'work', 0, qw(kill9 error) ],
	[ 'group-begins', 'work', 0, qw(kill9 sigterm) ],
	[ 'task-begins', 'work', 1, qw(kill9 sigsegv sigterm) ],
	[ 'task-ends', 'work', 1, qw(kill9 exit) ],
	[ 'task-error', 'work', 1, qw(kill9) ],
	[ 'take-error', 'work', 0, qw(error) ],
	[ 'take-error', 'session', 0, qw(kill9 error) ],
	[ 'task-done', 'work', 0, qw(kill9 sigterm error) ],
	[ 'settle-written', 'work', 0, qw(kill9 sigterm error) ],
	[ 'put-back', 'work', 0, qw(kill9 error) ],
	[ 'fallback-begun', 'fallback', 0, qw(kill9 error) ],
	[ 'hook-enqueued', 'work', 0, qw(kill9 error) ],
	[ 'group-before-commit', 'work', 0, qw(kill9 sigterm error) ],
	[ 'failed-commit-charged', 'bad_commit', 0, qw(kill9 error) ],
	[ 'group-committed', 'work', 0, qw(kill9 sigterm) ],
	[ 'slot-cleared', 'work', 0, qw(kill9 sigterm) ],
	[ 'group-undone', 'undone', 0, qw(kill9 sigterm error) ],
	[ 'request-served', 'cancel_fused', 0, qw(kill9 error) ],
	[ 'grace-over', 'stubborn', 1, qw(kill9) ],
	[ 'standalone-before-mark', 'work', 0, qw(kill9 sigterm) ],
	[ 'standalone-marked', 'work', 1, qw(kill9 error) ],
	[ 'standalone-begins', 'work', 1, qw(kill9 sigterm) ],
	[ 'standalone-done', 'work', 1, qw(kill9 sigterm error) ],
	[ 'standalone-settled', 'work', 1, qw(kill9 error) ],
	[ 'fire-before-commit', 'work', 0, qw(kill9 sigterm error) ],
	[ 'fire-committed', 'work', 0, qw(kill9) ],
	[ 'startup-before-commit', 'start', 0, qw(kill9 error) ],
	[ 'startup-committed', 'start', 0, qw(kill9) ],
	[ 'charge-before-commit', 'dead', 0, qw(kill9) ],    # the charge is forgotten
	[ 'charge-before-commit', 'dead', 1, qw(sigterm error) ],
	[ 'charge-committed', 'dead', 1, qw(kill9 sigterm) ],
	[ 'crash-charge-before-commit', 'crashed', 0, qw(kill9) ],    # the same
	[ 'crash-charge-before-commit', 'crashed', 1, qw(sigterm error) ],
	[ 'crash-charge-committed', 'crashed', 1, qw(kill9 sigterm) ],
	[ 'orphan-charge-before-commit', 'orphan', 1, qw(kill9 error) ],
	[ 'cancel-requested', 'cancel', 0, qw(kill9 sigterm error) ],
	[ 'cancel-before-commit', 'session', 0, qw(kill9 sigterm) ],
	[ 'worker-attached', 'worker', 0, qw(kill9) ],
	[ 'worker-connected', 'worker', 0, qw(kill9 sigterm) ],
	[ 'scheduler-elected', 'scheduler', 0, qw(kill9 sigterm) ],
	[ 'scheduler-round', 'work', 0, qw(kill9 error) ],
	[ 'sleep-clock', 'work', 0, qw(kill9 error) ],
	[ 'launcher-round', 'launcher', 0, qw(kill9 error) ],
	[ 'adopt-before-commit', 'adopt', 0, qw(kill9 error) ],
	[ 'partition-made', 'tomorrow', 0, qw(kill9 sigterm error) ],
	[ 'partition-detached', 'retention', 0, qw(kill9 sigterm) ],
	[ 'partition-left', 'retention', 0, qw(kill9 error) ],
	[ 'commands-unused', 'unused', 0, qw(kill9 sigterm error) ],
	[ 'lanes-moved', 'lanes', 0, qw(kill9 sigterm error) ],
	[ 'cache-write', 'cache', 0, qw(kill9 error) ],
	[ 'actor-stored', 'actor', 1, qw(kill9) ],    # inside its task
	[ 'actor-stored', 'actor', 0, qw(error) ],
	[ 'actor-flushed', 'together', 0, qw(kill9 error) ],    # between two tasks
	[ 'actor-stopped', 'stopped', 0, qw(kill9 error) ]);
if ($ENV{JADUGAR_POINT})
{
	@points = grep { $_->[0] =~ /$ENV{JADUGAR_POINT}/ } @points;
}
else
{
	my %there = map { $_->[0] => 1 } @points;

	# test/README.md has the scripts of the others
	is(join(' ', sort keys %there), join(' ', grep { !/^(flow|event|delivery|fetch|limit|tenant|http)-/ } fault_points()),
		'every fault point of the sources is tested');
}

# The number of charged attempts: lost, or failed if none was left.  Standalone commands that are running when the
# server goes down are lost at any fault point.
sub lost_other_than
{
	my ($wanted, $point) = @_;
	my $standalone = 'EXISTS (SELECT FROM jadugar_internal.command c WHERE c.command_id = r.command_id AND c.standalone)';
	my ($which, $wrong) = $point =~ /^(standalone|orphan)/ ? ($standalone, '<') : ("NOT $standalone", '<>');

	return grep { $_ } $node->safe_psql('postgres',
		"SELECT 'lost: ' || count(*) FROM jadugar_internal.attempt r WHERE error_code = 'WORKER_CRASHED' AND $which HAVING count(*) $wrong $wanted");
}

sub fail_at
{
	my ($point, $drive, $lost, $action) = @_;
	my $what = "$point:$action";
	my $offset = log_offset($node);
	my $id;

	unlink(glob($node->data_dir . '/jadugar_fault.*'));
	change(\%t, 'jadugar.fault' => $what) if !grep { $drive eq $_ } qw(session prepared counting cancel adopt cache);
	# a process may not have read the setting yet
	poll_sub("$what is hit", sub {
		# the server may still be down from the time before
		$id = eval { $drive{$drive}->($what) } // $id;
		for (1 .. 20)
		{
			return 1 if hit();
			usleep(20_000);    # waits-for-time: between looks, in a loop with a deadline
		}
		return 0;
	});
	if ($action =~ /kill9|sigsegv|panic/)
	{
		wait_for_log($node, qr/all server processes terminated; reinitializing/, $offset);
	}
	bring_back(\%t);
	# a task that was running, and should not have ended, runs again
	if ($drive =~ /dead|crashed/)
	{
		poll($node, "SELECT attempt FROM jadugar.running WHERE task_id = $id", $lost + 1);
	}
	# the scheduler may be about to retry, and the cancel must not come first
	if ($drive eq 'orphan')
	{
		poll($node, "SELECT count(*) >= $lost FROM jadugar_internal.attempt WHERE task_id = $id AND status = 'l'");
	}
	# a task that is to be cancelled may have been notified in time, or not
	if ($drive =~ /dead|crashed|orphan|cancel/)
	{
		try("SELECT jadugar.cancel($id)");
	}
	if ($drive eq 'stopped')
	{
		poll_sub("$what: the key goes on", sub {
			try(q{SELECT jadugar.reset_actor('stops', 'k')});
			return $node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.tasks WHERE concurrency_key = 'actor/stops/k'}) eq '0';
		});
	}
	if ($drive eq 'adopt')
	{
		is($node->safe_psql('copy', 'SELECT count(*) FROM jadugar_internal._hold WHERE reason = \'not_adopted\''), '1', "$what: it is not adopted");
		$node->safe_psql('copy', 'SELECT jadugar.adopt()');
		my $task = $node->safe_psql('copy', q{SELECT jadugar.enqueue('SELECT 1')});
		poll($node, "SELECT status FROM jadugar.get_task($task)", 'completed', 'copy');
		$node->safe_psql('postgres', 'DROP DATABASE copy');
	}
	work();
	my $rested = come_to_rest(\%t);
	my @wrong = $rested ? prove_tables(\%t) : ();
	push @wrong, lost_other_than($lost, $point);
	ok($rested && !@wrong, "$what: nothing is lost, doubled or stuck, $lost charged") or diag(join("\n", @wrong));
	forget(\%t);
	return;
}

foreach my $p (@points)
{
	my ($point, $drive, $lost, @actions) = @$p;

	fail_at($point, $drive, $lost, $_) foreach @actions;
}

# A standalone command has ended, but another process has charged its row since it
# started.  The worker must not write the row; it belongs to no process now, and the
# next scheduler finds it.
{
	my $offset = log_offset($node);

	unlink(glob($node->data_dir . '/jadugar_fault.*'));
	change(\%t, 'jadugar.fault' => 'standalone-done:wait');
	poll_sub('a worker waits', sub { work(); return hit(); });
	is($node->safe_psql('postgres', q{WITH u AS (UPDATE jadugar_internal.task SET started_at = started_at + '1 second' WHERE state = 'x' RETURNING 1)
			SELECT count(*) > 0 FROM u}),
		't', 'fence: its row is changed');
	append_to_file($node->data_dir . '/jadugar_fault.go', '');
	wait_for_log($node, qr/was settled by another process/, $offset);
	bring_back(\%t);
	kill_process((jadugar_processes($node, 'scheduler'))[0], 'TERM');
	my $rested = come_to_rest(\%t);
	my @wrong = $rested ? (prove_tables(\%t), lost_other_than(1, 'standalone')) : ();
	ok($rested && !@wrong, 'fence: the worker has written nothing') or diag(join("\n", @wrong));
}

$node->stop;
done_testing();
