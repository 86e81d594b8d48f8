# Breakers of handlers: a thousand tasks behind an open one cost nothing; half-open lets
# through as many as it says, whatever happens to them; after closing, places grow one by
# one.  The clock is moved, so nothing depends on how long a test takes.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main',
	'jadugar.max_workers' => 6, 'jadugar.max_workers_per_role' => 6, 'jadugar.worker_idle_timeout' => '1s', 'jadugar.warm_workers' => 0,
	autovacuum => 'off', checkpoint_timeout => '1h', bgwriter_lru_maxpages => 0);
create_extension($node);
my $offset = 0;

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', "SET search_path = jadugar, public; $sql");
}

sub advance
{
	my ($seconds) = @_;

	$offset += $seconds;
	$node->append_conf('postgresql.conf', "jadugar.clock_offset = $offset");
	$node->reload;
	return;
}

sub service
{
	my ($mode) = @_;

	sql("UPDATE public.service SET mode = '$mode'");
	return;
}

sub state_is
{
	my ($state, $name) = @_;

	return ok(poll($node, "SELECT state FROM jadugar.breakers WHERE scope = 'handler'", $state), $name);
}

# Exactly so many tasks run, and the others wait for the breaker.
sub run_at_once
{
	my ($n, $name) = @_;

	ok(poll($node, q{SELECT count(*) FROM jadugar.running WHERE phase = 'running'}, $n), $name);
	ok(poll($node, q{
		SELECT count(*) FROM jadugar.tasks WHERE status = 'pending' AND waiting_for IS DISTINCT FROM 'circuit_open'}, '0'),
		'... and the others wait');
	is(sql(q{SELECT count(*) FROM running WHERE phase = 'running'}), $n, '... still');
	return;
}

my $options = '"min_calls": 5, "window": "1 h", "open_for": "1 h", "open_max": "1 h", "half_open": 3, "failure_pct": 60, "ramp": "1 h"';
sql(qq{
	CREATE TABLE public.service (mode text);
	INSERT INTO public.service VALUES ('down');
	CREATE FUNCTION public.call_service() RETURNS void LANGUAGE plpgsql AS \$\$
	DECLARE m text := (SELECT mode FROM public.service);
	BEGIN
		IF m = 'down' THEN RAISE EXCEPTION 'down'; END IF;
		IF m = 'hang' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;
	END\$\$;
	SELECT register_sql_handler('service', 'SELECT public.call_service()', retry => '{"max_attempts": 50, "delay": 0, "backoff": "none"}');
	SELECT set_breaker('handler', 'service', '{$options}')});

# open: nobody reads, writes or wakes up
sql(q{SELECT count(enqueue('service')) FROM generate_series(1, 1000)});
state_is('open', 'it opens');
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE waiting_for = 'circuit_open'}, '1000'), 'all tasks wait for it');
my $failed = sql('SELECT count(*) FROM history');
cmp_ok($failed, '<=', 10, "$failed attempts were charged");
ok(poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'jadugar worker'}, '0'), 'workers leave');

sub switches
{
	my ($scheduler) = jadugar_processes($node, 'scheduler');

	return -r "/proc/$scheduler/status" && slurp_file("/proc/$scheduler/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m ? $1 : 0;
}

# The first look at the statistics may write something itself.
sql('CHECKPOINT');
my $xid = next_xid($node);
my $lsn = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
my $switches = switches();
sleep(3);    # waits-for-time: nothing happens in it
is(switches(), $switches, 'the scheduler sleeps');
is(next_xid($node), $xid, 'no transaction has written');
is($node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()'), $lsn, 'no WAL');
is(sql('SELECT count(*) FROM history'), $failed, 'no attempt');

# half-open: one call, then the others
my $lock = $node->background_psql('postgres');
$lock->query_safe('SELECT pg_advisory_lock(1)');
service('hang');
advance(2 * 3600);
state_is('half_open', 'it is half-open when its time is over');
run_at_once(1, 'one task probes');

# one that is cancelled gives its permit back
my $probe = sql(q{SELECT task_id FROM running WHERE phase = 'running'});
is(sql("SELECT cancel($probe)"), 't', 'the probe is cancelled');
ok(poll($node, "SELECT count(*) FROM jadugar.running WHERE phase = 'running' AND task_id <> $probe", '1'), 'another one probes');
run_at_once(1, 'it is alone');
is(sql(q{SELECT state, failure_pct FROM breakers}), 'half_open|0', 'the cancelled one does not count');

# a worker that is terminated: its attempt has failed, and the permits go on
$probe = sql(q{SELECT task_id FROM running WHERE phase = 'running'});
sql("SELECT pg_terminate_backend(pid) FROM running WHERE task_id = $probe");
ok(poll($node, "SELECT error_code FROM jadugar.history WHERE task_id = $probe", 'WORKER_CRASHED'), 'the task of a terminated worker is charged');
run_at_once(2, 'the two other permits are used');
is(sql(q{SELECT state, calls, failure_pct FROM breakers}), 'half_open|3|33', 'it is half-open, with three calls');

# closed: as many as were let through, and one more with each success
$lock->query_safe('SELECT pg_advisory_unlock(1)');
$lock->query_safe('SELECT pg_advisory_lock(1)');
state_is('closed', 'it closes');
$lock->quit;
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', '0', undef), 'all tasks are done');
is(sql(q{SELECT count(*) FROM history WHERE status = 'completed'}), '999', 'each has completed once, but for the cancelled one');

# it opens again, for as long as a role says; that survives a restart
sql(q{SELECT force_breaker('service', 'open', 'maintenance', scope => 'handler')});
sql(q{SELECT count(enqueue('service')) FROM generate_series(1, 20)});
service('hang');
$node->restart;
state_is('forced_open', 'what is forced survives a restart');
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE waiting_for = 'circuit_open'}, '20'), 'tasks wait');
is(sql(q{SELECT reason, forced_by, waiting FROM breakers}), 'maintenance|postgres|t', 'the view says why');
$lock = $node->background_psql('postgres');
$lock->query_safe('SELECT pg_advisory_lock(1)');
sql(q{SELECT force_breaker('service', 'closed', scope => 'handler')});
run_at_once(3, 'closed by a role, it begins with its ramp');

# crash: closed, with the ramp at its start
$lock->quit;
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', '0'), 'all tasks are done');
service('ok');
sql(q{SELECT count(enqueue('service')) FROM generate_series(1, 20)});
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', '0'), 'more tasks are done');
my $log = log_offset($node);
kill_process(wait_for_process($node, 'scheduler'), 'KILL');
wait_for_restart($node, 'scheduler', $log);
service('hang');
$lock = $node->background_psql('postgres');
$lock->query_safe('SELECT pg_advisory_lock(1)');
sql(q{SELECT count(enqueue('service')) FROM generate_series(1, 20)});
run_at_once(3, 'after a crash it begins with its ramp');
advance(2 * 3600);
ok(poll($node, q{SELECT count(*) FROM jadugar.running WHERE phase = 'running'}, '6'), 'the ramp ends by time');
$lock->quit;
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', '0'), 'all tasks are done');

# the breaker of a queue holds back its tasks only
sql(q{
	UPDATE public.service SET mode = 'down';
	SELECT create_queue('side', max_concurrency => 1), set_breaker('queue', 'side', '{"consecutive": 3, "min_calls": 100, "open_for": "1 h"}');
	SELECT register_sql_handler('other', 'SELECT public.call_service()', retry => '{"max_attempts": 1}')});
sql(q{SELECT count(enqueue('other', queue => 'side')) FROM generate_series(1, 50)});
ok(poll($node, q{SELECT state FROM jadugar.breakers WHERE scope = 'queue'}, 'open'), 'the breaker of a queue opens');
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE waiting_for = 'circuit_open'}, '47'), 'after three failures in a row');
service('ok');
my $id = sql(q{SELECT enqueue('other')});
ok(poll($node, "SELECT status FROM jadugar.get_task($id)", 'completed'), 'a task of another queue runs');
sql(q{SELECT set_breaker('queue', 'side')});
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', '0'), 'without the breaker all run');

$node->stop;
done_testing();
