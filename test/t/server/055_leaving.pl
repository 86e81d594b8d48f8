# A worker that is to leave after its group still serves a request to stop one of
# its tasks.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main', 'jadugar.max_workers' => 1, 'jadugar.worker_idle_timeout' => '10min');
create_extension($node);
my $lock = 'SELECT pg_advisory_xact_lock_shared(7)';
$node->safe_psql('postgres', "SELECT count(*) FROM jadugar.enqueue_batch('$lock', array_fill('{}'::jsonb, '{1500}'))");
poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');

# held by a transaction of another session, until it is terminated
my $holder = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT pg_advisory_lock(7), pg_sleep(600)' ], '>', \my $out, '2>', \my $err);    # waits-for-time: terminated
poll($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND mode = 'ExclusiveLock' AND granted}, '1');
my ($load, $waits) = split /\n/, $node->safe_psql('postgres', qq{
	BEGIN; SELECT jadugar.enqueue('LOAD ''auto_explain''', priority => 1); SELECT jadugar.enqueue('$lock'); COMMIT});
poll($node, "SELECT count(*) FROM jadugar.running WHERE task_id = $waits", '1');
is($node->safe_psql('postgres', "SELECT jadugar.cancel($waits)"), 't', 'the task is asked to stop');
ok(poll($node, "SELECT status FROM jadugar.get_task($waits)", 'cancelled'), 'and ends as cancelled');
ok(poll($node, "SELECT status FROM jadugar.get_task($load)", 'completed'), 'the other task completes');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%advisory_lock(7), %' AND pid <> pg_backend_pid()});
$holder->finish;
$node->stop;
done_testing();
