# Random tasks: they catch, convert and raise errors, set settings, lock, leave
# cursors and temporary tables, and call jadugar, under roles with settings of their
# own, while sessions cancel and pause them and workers are terminated.  Each task
# ends once, and its effects exist exactly if it has completed.
#
#   TASKFUZZ_SECONDS=300 [TASKFUZZ_SEED=7] make check-tap TESTS=061_taskfuzz
#
# Without TASKFUZZ_SECONDS a few seconds from a fixed seed.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{TASKFUZZ_SECONDS};
my $seed = $ENV{TASKFUZZ_SEED} // ($seconds ? int(time()) : 1);

$JadugarTest::deadline = 20;
srand($seed);
note("seed $seed");

# With fault points, few runs make a command safe, so that its tasks are fused.
my $node = new_cluster(
	'main',
	-faults => 1,
	'jadugar.max_workers' => 8,
	'jadugar.max_workers_per_role' => 2,
	'jadugar.log_failures' => 'none',
	deadlock_timeout => '50ms',
	log_min_error_statement => 'panic');
create_extension($node);

my %roles = (
	plain => '',
	timed => q{SET lock_timeout = '20ms'; ALTER ROLE timed SET statement_timeout = '100ms'},
	strict => q{SET default_transaction_isolation = 'serializable'; ALTER ROLE strict SET default_transaction_read_only = on;
		ALTER ROLE strict SET idle_in_transaction_session_timeout = '1ms'; ALTER ROLE strict SET default_transaction_deferrable = on},
	quiet => q{SET client_min_messages = error; ALTER ROLE quiet SET search_path = 'nowhere'; ALTER ROLE quiet CONNECTION LIMIT 0},
	other => q{SET role = 'plain'; ALTER ROLE other SET row_security = off; ALTER ROLE other SET DateStyle = 'German'},
	loud => q{SET session_preload_libraries = 'auto_explain'; ALTER ROLE loud SET log_min_messages = debug1;
		ALTER ROLE loud SET auto_explain.log_min_duration = 0; ALTER ROLE loud SET session_replication_role = replica});
my @roles = sort keys %roles;

$node->safe_psql('postgres', "CREATE ROLE $_ LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO $_; SELECT jadugar.grant_access('$_')") foreach @roles;
$node->safe_psql('postgres', 'GRANT plain TO other');
$node->safe_psql('postgres', $roles{$_} ? "ALTER ROLE $_ $roles{$_}" : 'SELECT') foreach @roles;
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE effect (label text, attempt integer);
CREATE TABLE parent (id integer PRIMARY KEY);
CREATE TABLE child (id integer REFERENCES parent DEFERRABLE);
CREATE TABLE late (label text);
CREATE FUNCTION fail_late() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'late' USING ERRCODE = new.label; END$$;
CREATE CONSTRAINT TRIGGER fails AFTER INSERT ON late INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail_late();
ALTER TABLE late ENABLE ALWAYS TRIGGER fails;
GRANT ALL ON effect, parent, child, late TO PUBLIC;
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'refused by an event trigger' USING ERRCODE = '42501';
END$$;
CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE VIEW') EXECUTE FUNCTION refuse();
ALTER EVENT TRIGGER refuse ENABLE ALWAYS;
CREATE EVENT TRIGGER refuse_drop ON sql_drop EXECUTE FUNCTION refuse();
ALTER EVENT TRIGGER refuse_drop ENABLE ALWAYS;

-- Runs steps: {"sql"}, {"raise"}, {"try", "catch", "then"}
CREATE FUNCTION act(steps jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	step jsonb;
	state text;
BEGIN
	FOR step IN SELECT jsonb_array_elements(steps) LOOP
		IF step ? 'sql' THEN
			EXECUTE step ->> 'sql';
		ELSIF step ? 'raise' THEN
			RAISE EXCEPTION 'meant to fail' USING ERRCODE = step ->> 'raise';
		ELSE
			BEGIN
				PERFORM public.act(step -> 'try');
			EXCEPTION
				WHEN query_canceled OR assert_failure THEN
					IF step ->> 'catch' = 'others' THEN
						RAISE;
					END IF;
					PERFORM public.act(step -> 'then');
				WHEN OTHERS THEN
					GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE;
					IF step ->> 'catch' = 'rethrow' THEN
						RAISE EXCEPTION 'rethrown' USING ERRCODE = state;
					END IF;
					PERFORM public.act(step -> 'then');
			END;
		END IF;
	END LOOP;
END$$;
CREATE FUNCTION work(payload jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.effect VALUES (payload ->> 'l', (SELECT attempt FROM jadugar.current_task()));
	PERFORM public.act(payload -> 'a');
	RETURN payload ->> 'l';
END$$;

-- Disturbs tasks that run, and those that wait
CREATE PROCEDURE disturb(seconds float8, seed float8) LANGUAGE plpgsql AS $$
DECLARE
	t bigint;
	p integer;
	r float8;
BEGIN
	PERFORM setseed(seed);
	FOR i IN 1 .. seconds * 50 LOOP
		r := random();
		SELECT task_id INTO t FROM jadugar.tasks ORDER BY random() LIMIT 1;
		SELECT pid INTO p FROM pg_stat_activity WHERE backend_type = 'jadugar worker' ORDER BY random() LIMIT 1;
		BEGIN
			IF r < 0.2 THEN PERFORM jadugar.cancel(t);
			ELSIF r < 0.4 THEN PERFORM jadugar.pause_task(t);
			ELSIF r < 0.6 THEN PERFORM jadugar.resume_task(task_id) FROM jadugar.tasks WHERE status = 'paused';
			ELSIF r < 0.7 THEN PERFORM pg_cancel_backend(p);
			ELSIF r < 0.73 THEN PERFORM pg_terminate_backend(p);
			END IF;
		EXCEPTION WHEN OTHERS THEN
			IF SQLSTATE NOT LIKE 'JD%' THEN
				RAISE WARNING 'disturb: % %', SQLSTATE, SQLERRM;
			END IF;
		END;
		COMMIT;
		PERFORM pg_sleep(0.02);	-- waits-for-time: the pace of disturbances
	END LOOP;
END$$;
SQL

sub pick
{
	return $_[ int(rand(scalar @_)) ];
}

my @states = qw(57014 57P01 40001 40P01 55P03 P0001 22012 25P02 XX000 53200 53300 57P03 08006 0A000
	JD001 JD002 JD009 JD010 JD011 JD020 JDZ01 JDZ02 JDZ03);
my $label = 0;

sub quote
{
	return "'" . $_[0] =~ s/'/''/gr . "'";
}

# A statement that is to be run dynamically
sub statement
{
	my $n = int(rand(1000));
	my $k = int(rand(5));

	return pick(
		"SET LOCAL lock_timeout = '1ms'", "SET LOCAL statement_timeout = '5ms'", "SET statement_timeout = 0",
		"SET lock_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = '1ms'", "SET LOCAL client_min_messages = panic",
		'SET TRANSACTION READ ONLY', 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'SET TRANSACTION READ WRITE',
		'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY', 'SET SESSION AUTHORIZATION DEFAULT', 'RESET ROLE', 'SET ROLE plain',
		'RESET ALL', 'DISCARD TEMP', 'DISCARD PLANS', 'DISCARD SEQUENCES', 'DEALLOCATE ALL', 'CLOSE ALL', 'UNLISTEN *', 'LISTEN x',
		'SET CONSTRAINTS ALL DEFERRED', 'SET CONSTRAINTS ALL IMMEDIATE', 'COMMIT', 'SAVEPOINT x', 'LOAD \'plpgsql\'',
		"CREATE TEMP TABLE t$k (x integer)", "CREATE TEMP TABLE t$k ON COMMIT DROP AS SELECT 1 x", "CREATE TEMP SEQUENCE s$k",
		"INSERT INTO t$k VALUES (1)", "DROP TABLE t$k", "CREATE VIEW v$n AS SELECT 1",
		"DECLARE c$k CURSOR WITH HOLD FOR SELECT generate_series(1, 10)", "DECLARE c$k CURSOR WITH HOLD FOR SELECT 1 / (generate_series(1, 10) - 5)",
		"FETCH 3 FROM c$k", "PREPARE p$k AS SELECT 1", "EXECUTE p$k", "SELECT nextval('s$k')", 'SELECT lastval()',
		"SELECT pg_advisory_lock($k)", "SELECT pg_advisory_xact_lock($k)", "SELECT pg_try_advisory_lock($k)", "SELECT pg_advisory_unlock_all()",
		"LOCK TABLE parent IN EXCLUSIVE MODE", "NOTIFY x, '$n'", "SELECT set_config('x.y', '$n', false)",
		"SELECT set_config('search_path', 'pg_catalog', true)", "SELECT jadugar.log('warning', 'w')", "DO \$d\$BEGIN RAISE WARNING 'w'; END\$d\$",
		"INSERT INTO child VALUES ($n)", "INSERT INTO parent VALUES ($k)", "INSERT INTO late VALUES ('" . pick(@states) . "')",
		# waits-for-time: tasks that take long
		'SELECT pg_sleep(0.03)', 'SELECT pg_sleep(0.3)', 'SELECT pg_sleep(0.001)', "SELECT jadugar.snooze('10 ms')", 'SELECT jadugar.discard(\'no\')',
		'SELECT jadugar.cancel(task_id) FROM jadugar.current_task()', 'SELECT jadugar.pause_task(task_id) FROM jadugar.current_task()',
		'SELECT pg_cancel_backend(pg_backend_pid())', 'SELECT jadugar.progress(0.5, \'half\')',
		"SELECT jadugar.enqueue('SELECT public.work(\$1)', '{\"l\": \"nested" . ++$label . "\", \"a\": []}')",
		'SELECT jadugar.cancel(max(task_id)) FROM jadugar.tasks', 'SELECT jadugar.resume_task(max(task_id)) FROM jadugar.tasks',
		"SELECT jadugar.run_task('SELECT 1 / $k')", 'SELECT pg_export_snapshot()', 'SELECT lo_creat(-1)', 'SELECT lo_open(lo_creat(-1), 131072)',
		"SELECT jadugar.wait(max(task_id), '10 ms') FROM jadugar.tasks", 'SELECT txid_current()', 'TRUNCATE late', 'ANALYZE parent',
		'SELECT * FROM jadugar.running', 'EXPLAIN ANALYZE SELECT count(*) FROM effect', 'SELECT * FROM no_such_table', 'SELECT $1', 'SELEKT');
}

sub steps
{
	my ($depth) = @_;

	return [ map {
		my $roll = rand();
		$roll < 0.7 || $depth > 3 ? { sql => statement() } :
		  $roll < 0.75 ? { raise => pick(@states) } :
		  { try => steps($depth + 1), catch => pick('others', 'cancel', 'cancel', 'rethrow'), then => steps($depth + 1) }
	} 1 .. pick(0, 1, 1, 2, 3) ];
}

# A value as JSON: the steps have only texts
sub json
{
	my ($v) = @_;

	return '[' . join(', ', map { json($_) } @$v) . ']' if ref $v eq 'ARRAY';
	return '{' . join(', ', map { "\"$_\": " . json($v->{$_}) } sort keys %$v) . '}' if ref $v eq 'HASH';
	return '"' . $v =~ s/(["\\])/\\$1/gr . '"';
}

# The commands: many tasks have the same, so that they are fused
my @commands = (
	'SELECT public.work($1)', 'SELECT public.work($1)', 'SELECT public.work($1); SELECT 1',
	"SET statement_timeout = '150ms'; SELECT public.work(\$1)", "SET LOCAL lock_timeout = '5ms'; SELECT public.work(\$1); RESET lock_timeout",
	'SELECT public.work($1) FROM pg_class LIMIT 1', "WITH x AS (SELECT public.work(\$1) w) SELECT w, now() FROM x");
my @standalone = ('DISCARD ALL', 'VACUUM public.effect', 'SET SESSION AUTHORIZATION DEFAULT; SELECT 1', 'SET ROLE plain; SELECT 1/0',
	"SET lock_timeout = '1ms'; SELECT pg_advisory_lock(1)", 'CREATE TEMP TABLE t1 (x int); SELECT pg_advisory_lock(2)', 'CREATE TEMP TABLE t2 (x int); PREPARE p AS SELECT 1',
	'SET default_transaction_read_only = on; SELECT 1', "SET statement_timeout = '5ms'; SELECT pg_advisory_lock(3)", "DO \$d\$ BEGIN COMMIT; RAISE SQLSTATE 'JDZ03'; END \$d\$",
	"SELECT jadugar.snooze('10 ms')", "INSERT INTO public.late VALUES ('JDZ03')", 'DECLARE c CURSOR WITH HOLD FOR SELECT 1', "SELECT jadugar.discard('x')");

# Tasks of every role, as one file
sub enqueue_some
{
	my ($n) = @_;
	my $sql = '';

	foreach (1 .. $n)
	{
		my $role = pick(@roles);
		my @options = ("retry => '{\"max_attempts\": " . pick(1, 2) . ", \"delay\": 0}'");
		my $l = 'l' . ++$label;

		if (rand() < 0.04)
		{
			$sql .= 'SELECT jadugar.enqueue(' . join(', ', quote(pick(@standalone)), "'{\"l\": \"s$label\"}'", "transaction => 'standalone'", "owner => '$role'",
				"timeout => '2 s'", @options) . ");\n";
			next;
		}
		push @options, "transaction => '" . pick('repeatable read', 'serializable') . "'" if rand() < 0.03;
		push @options, 'isolate => true' if rand() < 0.02;
		push @options, "timeout => '" . pick('10 ms', '100 ms', '1 s') . "'" if rand() < 0.2;
		push @options, "concurrency_key => '" . pick('a', 'b') . "'" if rand() < 0.1;
		push @options, "settings => '{\"" . pick('lock_timeout', 'statement_timeout', 'work_mem') . "\": " . pick('"100"', '"64"') . "}'" if rand() < 0.1;
		my $steps = rand() < 0.6 ? [] : steps(0);
		$sql .= 'SELECT jadugar.enqueue(' . join(', ', quote(pick(@commands)), quote(json({ l => $l, a => $steps })),
			"owner => '$role'", @options) . ");\n";
	}
	return $sql;
}

# Waits until every task has ended.  Tasks that were paused go on.
sub all_end
{
	return poll($node, 'SELECT count(jadugar.resume_task(task_id)) FILTER (WHERE status = \'paused\') * 0 + count(*) FROM jadugar.tasks', '0');
}

# What must be true for all tasks; each query returns what is wrong
my %rules = (
	'each task ends once' => q{
		SELECT task_id, count(*) FILTER (WHERE final) FROM jadugar.history GROUP BY 1 HAVING count(*) FILTER (WHERE final) <> 1},
	'each label has one task' => q{
		SELECT payload ->> 'l', count(DISTINCT task_id) FROM jadugar.history GROUP BY 1 HAVING count(DISTINCT task_id) > 1},
	'completed tasks have taken effect once, others have not' => q{
		SELECT h.task_id, h.label, h.status, count(e.label) FROM (SELECT task_id, payload ->> 'l' AS label, status FROM jadugar.history WHERE final) h
		LEFT JOIN effect e USING (label) WHERE h.label NOT LIKE 's%' GROUP BY 1, 2, 3
		HAVING count(e.label) <> (h.status = 'completed')::integer},
	'no effect without a task' => q{
		SELECT label FROM effect WHERE label NOT IN (SELECT payload ->> 'l' FROM jadugar.history WHERE final AND status = 'completed')},
	'attempts are numbered' => q{
		SELECT task_id, array_agg(attempt ORDER BY attempt) FROM jadugar.history WHERE status IN ('completed', 'failed') GROUP BY 1
		HAVING count(DISTINCT attempt) <> count(*) OR max(attempt) > 2},
	'nothing is held' => q{
		SELECT locktype, mode, a.backend_type FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE locktype = 'advisory' AND a.backend_type = 'jadugar worker'});

my $end = time() + ($seconds // 4);
my $round = 0;
my $ok = 1;
do
{
	my $file = PostgreSQL::Test::Utils::tempdir() . '/tasks.sql';
	open(my $out, '>', $file) or die "$file: $!";
	print $out enqueue_some(400);
	close($out);
	my $disturber = $node->background_psql('postgres');
	$disturber->query_until(qr/begun/, "\\echo begun\nCALL disturb(3, " . rand() . ");\n");
	$node->command_ok([ 'psql', '-X', '-q', '-o', '/dev/null', '-d', $node->connstr('postgres'), '-f', $file ], 'tasks are enqueued');
	$disturber->quit;
	$ok = all_end();
	diag($node->safe_psql('postgres', q{
		SELECT task_id, status, waiting_for, owner, command, payload FROM jadugar.tasks LIMIT 10; TABLE jadugar.running;
		SELECT pid, wait_event, state, query FROM pg_stat_activity WHERE backend_type LIKE 'jadugar%'})) if !$ok;
	$round++;
} while ($ok && time() < $end);

note("$round rounds, seed $seed: " . $node->safe_psql('postgres',
	q{SELECT string_agg(s, ', ') FROM (SELECT concat_ws(' ', count(*), status, reason, error_code) s FROM jadugar.history GROUP BY status, reason, error_code ORDER BY 1) x}));
foreach my $rule (sort keys %rules)
{
	is($node->safe_psql('postgres', $rules{$rule}), '', "$rule (seed $seed)");
}
my $log = slurp_file($node->logfile);
my @bad = grep { /PANIC:|TRAP|leak|snapshot.*active|SPI stack|still|terminated by signal|WARNING:  (?!w$|skipping ")/ } split /\n/, $log;
diag($_) foreach @bad[ 0 .. (@bad < 20 ? $#bad : 19) ];
is(scalar @bad, 0, "no message of a fault in the server's log (seed $seed)");
$node->stop;
done_testing();
