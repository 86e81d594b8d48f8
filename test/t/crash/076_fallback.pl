# The server is killed between the failure of a task and its fallback, at each
# step of the way.  The fallback runs once, with the payload and the error, and
# the task ends with it.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', -faults => 1, 'jadugar.max_workers' => 2, 'jadugar.max_crashes' => 10);
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE TABLE effect (task_id bigint, what text, error text);
	CREATE FUNCTION fails(what text) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN INSERT INTO effect VALUES ((jadugar.current_task()).task_id, what); RAISE EXCEPTION 'no %', what; END $$;
	CREATE PROCEDURE fails_alone(what text) LANGUAGE plpgsql AS $$
		BEGIN INSERT INTO effect VALUES ((jadugar.current_task()).task_id, what); COMMIT; RAISE EXCEPTION 'no %', what; END $$;
	CREATE FUNCTION helps(p jsonb) RETURNS text LANGUAGE sql AS $$
		INSERT INTO effect VALUES ((jadugar.current_task()).task_id, p->'payload'->>'a', p->'error'->>'code') RETURNING error $$});

my $faults = $node->data_dir . '/jadugar_fault';

sub arm
{
	my ($fault) = @_;

	unlink glob("$faults.*");
	$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.fault = '$fault'");
	$node->reload;
	poll($node, q{SELECT current_setting('jadugar.fault') <> ''});
}

sub disarm
{
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET jadugar.fault');
	$node->reload;
	poll($node, q{SELECT current_setting('jadugar.fault') = ''});
}

# Enqueues a task.  The server may go down before the session has its answer.
my $n = 0;

sub enqueue
{
	my ($arguments) = @_;
	my $trace = 'case ' . ++$n;

	eval { $node->psql('postgres', "SELECT jadugar.enqueue($arguments, trace => '$trace')", stderr => \my $err) };
	return $trace;
}

# waits for its end, and returns its id
sub id_of
{
	my ($trace) = @_;

	poll($node, "SELECT count(*) FROM jadugar.finished WHERE trace = '$trace'", '1');
	return $node->safe_psql('postgres', "SELECT task_id FROM jadugar.finished WHERE trace = '$trace'");
}

# the attempts and the effects of a task
sub history_of
{
	my ($id) = @_;

	return $node->safe_psql('postgres', qq{
		SELECT string_agg(concat_ws(' ', attempt, status, error_code, error->'cause'->>'message'), ', ' ORDER BY attempt_id)
			|| coalesce('; ' || (SELECT string_agg(concat_ws(' ', what, error), ', ') FROM effect WHERE task_id = $id), '')
		FROM jadugar.history WHERE task_id = $id});
}

my $failed = '1 failed TASK_EXECUTION_ERROR, 2 completed; pay TASK_EXECUTION_ERROR';

# Fault point, command, and what is left in the end.
foreach my $case (
	# the attempt is undone, and fails again
	[ 'fallback-begun', q{SELECT fails('first')}, $failed ],
	[ 'put-back', q{SELECT fails('first')}, $failed ],
	[ 'group-before-commit', q{SELECT fails('first')}, $failed ],
	# it has failed, and its fallback is to come
	[ 'group-committed', q{SELECT fails('first')}, $failed ],
	[ 'slot-cleared', q{SELECT fails('first')}, $failed ],
	# an attempt that may have had its effect is lost
	[ 'fallback-begun', q{CALL fails_alone('first')}, '1 failed WORKER_CRASHED, 2 completed; first, pay WORKER_CRASHED' ],
	[ 'standalone-settled', q{CALL fails_alone('first')}, '1 failed WORKER_CRASHED, 2 completed; first, pay WORKER_CRASHED' ],
	# the worker dies, and then whoever charges that
	[ 'task-ends', 'SELECT 1', '1 failed WORKER_CRASHED, 2 completed; pay WORKER_CRASHED' ])
{
	my ($point, $command, $expected) = @$case;

	arm("$point:kill9");
	my $offset = log_offset($node);

	$command =~ s/'/''/g;
	my $trace = enqueue(qq{'$command', '{"a": "pay"}', transaction => } .
		($command =~ /^CALL/ ? q{'standalone'} : q{'read committed'}) . q{,
		retry => jadugar.retry_policy(1, fallback => 'SELECT helps($1)')});
	poll_sub("a process is killed at $point", sub { return -e "$faults.1" });
	wait_for_restart($node, 'worker', $offset);
	disarm();
	is(history_of(id_of($trace)), $expected, "killed at $point of $command");
}

# The server goes down during the fallback: that was its one attempt.
unlink glob("$faults.*");
my $offset = log_offset($node);
my $trace = enqueue(q{'SELECT fails(''first'')', '{"a": "pay"}', retry =>
	jadugar.retry_policy(3, retry_on => '{WORKER_CRASHED}',
		fallback => 'SELECT helps($1); SELECT set_config(''jadugar.fault'', ''task-ends:kill9'', true)')});
poll_sub('the fallback kills the server', sub { return -e "$faults.1" });
wait_for_restart($node, 'worker', $offset);
is(history_of(id_of($trace)), '1 failed TASK_EXECUTION_ERROR, 2 failed WORKER_CRASHED no first', 'the fallback is not repeated');

done_testing();
