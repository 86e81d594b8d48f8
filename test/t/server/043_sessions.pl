# What the session of a worker has from its start, and what a failed task leaves:
# preload libraries, connections of dblink, lines in the server's log.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', -faults => 1, 'jadugar.max_workers' => 2);
create_extension($node);

sub run
{
	my ($arguments) = @_;
	my $id = $node->safe_psql('postgres', "SELECT jadugar.enqueue($arguments)");

	poll($node, "SELECT status IN ('completed', 'failed') FROM jadugar.get_task($id)");
	return $id;
}

sub end_of
{
	my ($id) = @_;

	return $node->safe_psql('postgres',
		"SELECT concat_ws(' ', status, attempt, error ->> 'message') FROM jadugar.get_task($id)");
}

# Libraries that the database's sessions preload
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET session_preload_libraries = 'auto_explain'});
my $id = run(q{'SELECT current_setting(''auto_explain.log_format'')'});
is(end_of($id), 'completed 1', 'a library of session_preload_libraries is loaded');
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET session_preload_libraries');

# Libraries that a role preloads; any role may do so with those in plugins/
$node->safe_psql('postgres', q{
	CREATE ROLE plain LOGIN; SELECT jadugar.grant_access('plain');
	CREATE ROLE careful LOGIN; SELECT jadugar.grant_access('careful');
	ALTER ROLE careful SET local_preload_libraries = 'auto_explain'});
$id = run(q{'SELECT current_setting(''auto_explain.log_format'')', owner => 'careful'});
is(end_of($id), 'completed 1', 'a library of local_preload_libraries is loaded');
$id = run(q{'SELECT current_setting(''auto_explain.log_format'')', owner => 'plain'});
like(end_of($id), qr/^failed 1 unrecognized configuration parameter/, 'and not for another role');

# A connection that a failed attempt has left
$node->safe_psql('postgres', 'CREATE EXTENSION dblink');
my $host = $node->host;
my $port = $node->port;
$id = run(qq{'SELECT dblink_connect(''c'', ''host=$host port=$port dbname=postgres''); DO \$d\$ BEGIN
	IF (SELECT attempt FROM jadugar.current_task()) < 3 THEN RAISE EXCEPTION ''fails''; END IF; END \$d\$',
	retry => '{"max_attempts": 3, "delay": 0}'});
is(end_of($id), 'completed 3', 'each attempt finds no connection of the one before');

# Failures in the server's log
my $offset = log_offset($node);
$node->safe_psql('postgres', q{SELECT jadugar.schedule('nightly', 'manual', 'SELECT 1/0'); SELECT jadugar.run_now('nightly')});
ok(wait_for_log($node, qr/LOG:  task \d+ failed: division by zero\n.*DETAIL:  Role "postgres", schedule "nightly", attempt 1 of 1: SELECT 1\/0/, $offset),
	'the failure of a schedule is in the log');
# WARNINGs in the server's log, and nothing that log_min_messages keeps out
$offset = log_offset($node);
$id = run(q{'DO $d$ BEGIN RAISE INFO ''as asked''; RAISE NOTICE ''by the way''; RAISE WARNING ''take care''; END $d$'});
ok(wait_for_log($node, qr/WARNING:  take care\n.*CONTEXT:  PL.pgSQL.*\n(?:\t.*\n)*\ttask $id\n/, $offset), 'a WARNING names its task');
unlike(substr(slurp_file($node->logfile), $offset), qr/(?:INFO|NOTICE):  (?:as asked|by the way)/, 'INFO and NOTICEs stay out');
is($node->safe_psql('postgres', "SELECT string_agg(level || ' ' || message, ', ' ORDER BY log_id) FROM jadugar.logs WHERE task_id = $id"),
	'info as asked, warning take care', 'INFO is in the view logs');
foreach my $transaction ('read committed', 'standalone')
{
	$offset = log_offset($node);
	$node->safe_psql('postgres', qq{SELECT jadugar.schedule('careful $transaction', 'manual', 'DO \$d\$ BEGIN RAISE WARNING ''take care''; END \$d\$', transaction => '$transaction');
		SELECT jadugar.run_now('careful $transaction')});
	ok(wait_for_log($node, qr/WARNING:  take care\n.*CONTEXT:  PL.pgSQL.*\n(?:\t.*\n)*\ttask \d+ of schedule "careful $transaction"\n/, $offset), "a WARNING of a $transaction task names its schedule");
}

$offset = log_offset($node);
$id = run(q{'DO $d$ BEGIN RAISE EXCEPTION ''two of them''; END $d$', retry => '{"max_attempts": 2, "delay": 0}'});
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset);
is(scalar(() = $log =~ /task $id failed: two of them/g), 1, 'by default, only the last attempt is in the log');
$node->safe_psql('postgres', q{ALTER SYSTEM SET jadugar.log_failures = 'all'});
$node->reload;
$offset = log_offset($node);
poll_sub('every attempt is in the log', sub {
	$id = run(q{'DO $d$ BEGIN RAISE EXCEPTION ''all of them''; END $d$', retry => '{"max_attempts": 2, "delay": 0}'});
	$log = PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset);
	return 2 == (() = $log =~ /task $id failed: all of them/g);
});

# The severity of an error is the level of the message
foreach my $case (['42000', 'LOG'], ['JD001', 'WARNING'], ['JD004', 'WARNING'], ['JD023', 'LOG'])
{
	my ($sqlstate, $level) = @$case;

	$offset = log_offset($node);
	$id = run(qq{'DO \$d\$ BEGIN RAISE EXCEPTION ''level it'' USING ERRCODE = ''$sqlstate''; END \$d\$', retry => '{"max_attempts": 1}'});
	ok(wait_for_log($node, qr/$level:  task $id failed: level it/, $offset), "an error $sqlstate has level $level");
}
$offset = log_offset($node);
$id = run(q{'DO $d$ BEGIN RAISE EXCEPTION ''not there'' USING ERRCODE = ''JD002''; END $d$', retry => '{"max_attempts": 1}'});
my $next = run(q{'SELECT 1/0'});
ok(wait_for_log($node, qr/LOG:  task $next failed/, $offset), 'a later failure is in the log');
unlike(substr(slurp_file($node->logfile), $offset), qr/task $id failed/, 'an error that is only information is not');

$node->safe_psql('postgres', q{ALTER SYSTEM SET jadugar.log_failures = 'none'});
$node->reload;
poll_sub('no failure is in the log', sub {
	$id = run(q{'SELECT 1/0'});
	return PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset) !~ /task $id failed/;
});

# A worker is claiming a task when the settings of its role change
$node->safe_psql('postgres', q{ALTER SYSTEM SET jadugar.fault = 'claim-locked:wait'});
$node->reload;
poll($node, q{SELECT current_setting('jadugar.fault') <> ''});
my $faults = $node->data_dir . '/jadugar_fault';
$id = $node->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT current_setting(''work_mem'') AS work_mem')});
poll_sub('the worker waits', sub { return -e "$faults.1" });
$node->safe_psql('postgres', q{ALTER ROLE postgres SET work_mem = '1234kB'; ALTER SYSTEM RESET jadugar.fault});
$node->reload;
append_to_file("$faults.go", '');
ok(poll($node, "SELECT result ->> 'work_mem' FROM jadugar.get_task($id)", '1234kB'), 'the task runs with the new settings');
$node->safe_psql('postgres', 'ALTER ROLE postgres RESET work_mem');

# A group is bounded by its payloads, too
$node->safe_psql('postgres', q{SELECT count(jadugar.enqueue('SELECT 2')) FROM generate_series(1, 50)});
poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
$node->safe_psql('postgres', 'SELECT jadugar.scale_workers(1); SELECT jadugar.pause_all()');
my $commits = $node->safe_psql('postgres', 'SELECT commits FROM jadugar.stats');
$node->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT 2', jsonb_build_object('x', repeat(md5(g::text), 200000))) FROM generate_series(1, 6) g});
$node->safe_psql('postgres', 'SELECT jadugar.resume_all()');
poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
poll($node, "SELECT commits >= $commits + 3 FROM jadugar.stats");
ok(1, 'six payloads of 6 MB are not one group');
$node->stop;
done_testing();
