# Flows that wait or are half done outlive a restart, a prepared transaction, a
# pause of everything, a dump, and a promotion.  The flows, and the proof that
# every step took effect once, are in test/torture/flows.sql.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my %settings = ('jadugar.max_workers' => 3, 'jadugar.max_crashes' => 1000);
my $node = new_cluster('main', -streaming => 1, %settings);
my $count = 100;

create_extension($node, 'app');
$node->safe_psql('app', slurp_file("$top/test/torture/flows.sql"));
$node->safe_psql('app', q{
	CREATE ROLE app LOGIN;
	SELECT jadugar.grant_access('app');
	CREATE TABLE waits (n integer, run_id bigint);
	GRANT ALL ON waits TO app});

sub app
{
	my ($sql, $db) = @_;

	return $node->safe_psql($db // 'app', $sql, extra_params => [ '-U', 'app' ]);
}

app('SELECT flowtest.children()');

# Flows of all kinds, whose signals, approvals and events are not sent yet.
sub start
{
	my ($tag) = @_;

	return app("SELECT flowtest.start('$tag.' || n, n) FROM generate_series(1, $count) n WHERE n % 3 <> 0");
}

# Sends them, and all flows have to end correctly.
sub ended
{
	my ($what, $db, @tags) = @_;

	app("CALL flowtest.load('$_.', 1, $count)", $db) foreach @tags;
	poll($node, 'SELECT count(*) FROM flowtest.unfinished', '0', $db);
	poll($node, 'SELECT count(*) FROM jadugar_internal.task', '0', $db);
	# a dump does not contain the history
	my $but = $db eq 'restored' ? q{WHERE what <> 'no final row in the history'} : '';
	is($node->safe_psql($db, "SELECT * FROM flowtest.findings() $but LIMIT 10"),
		'', "$what: every run has ended as expected, every effect exists once");
	return;
}

sub check
{
	my ($what, $db) = @_;

	return is($node->safe_psql($db // 'app', 'SELECT * FROM jadugar.check_flows()'), '', "$what: check_flows() is empty");
}

# A hundred that wait for a signal, an approval, an event or a time.
sub start_waits
{
	app(qq{
		TRUNCATE waits;
		SET search_path = jadugar, public;
		INSERT INTO waits SELECT n, start_flow(flowtest.w('a') ~> CASE n % 4
				WHEN 0 THEN wait_signal('go', name => 'w', timeout => '1 day')
				WHEN 1 THEN approval('w')
				WHEN 2 THEN wait_event('paid', name => 'w', filter => '{"n": "\$.input.n"}')
				-- waits-for-time: until the clock is set ahead
				WHEN 3 THEN sleep('1 hour', name => 'w') END ~> flowtest.w('b'), jsonb_build_object('n', n))
		FROM generate_series(1, 100) n});
	poll($node, q{SELECT count(*) FROM jadugar_internal.flow_step JOIN waits USING (run_id) WHERE state = 'r' AND (event IS NOT NULL OR due IS NOT NULL)}, '100', 'app');
	is($node->safe_psql('app', q{SELECT waiting_for, count(*) FROM jadugar.flow_steps JOIN waits USING (run_id) WHERE step = 'w' GROUP BY 1 ORDER BY 1}),
		"approval:w|25\nevent:paid|25\nsignal:go|25\ntime|25", 'each run shows why it waits');
	return;
}

my $offset = 0;

sub end_waits
{
	my ($what) = @_;

	check($what);
	app(q{
		SELECT jadugar.signal(run_id, 'go', '{"x": 1}') FROM waits WHERE n % 4 = 0;
		SELECT jadugar.approve(run_id, 'w') FROM waits WHERE n % 4 = 1;
		SELECT jadugar.raise_event('paid', jsonb_build_object('n', n)) FROM waits WHERE n % 4 = 2});
	poll($node, 'SELECT count(*) FROM jadugar_internal.flow_run JOIN waits USING (run_id) WHERE finished_at IS NULL', '25', 'app');
	$node->safe_psql('app', 'ALTER SYSTEM SET jadugar.clock_offset = ' . ($offset += 3700) . '; SELECT pg_reload_conf()');
	poll($node, q{SELECT count(*) FROM jadugar_internal.flow_run JOIN waits USING (run_id) WHERE status <> 'c'}, '0', 'app');
	is($node->safe_psql('app', q{SELECT count(*), count(DISTINCT (run_id, step)) FROM flowtest.effect JOIN waits USING (run_id)}),
		'200|200', "$what: every step took effect once");
	$node->safe_psql('app', 'CALL flowtest.forget()');
	return;
}

# --- restarts ---------------------------------------------------------------

start_waits();
$node->restart;
end_waits('waits and a restart');
start_waits();
kill_postmaster($node);
$node->start;
end_waits('waits and a crash');

start('fast');
$node->restart;
ended('a restart', 'app', 'fast');
start('immediate');
$node->stop('immediate');
$node->start;
ended('an immediate stop', 'app', 'immediate');

# --- prepared transactions --------------------------------------------------

$node->safe_psql('app', 'CALL flowtest.forget()');
my $id = app(q{SELECT jadugar.start_flow(graph) FROM flowtest.kind WHERE kind = 'signal'});
poll($node, "SELECT status FROM jadugar.flow_steps WHERE run_id = $id AND step = 'w1'", 'running', 'app');
app(qq{
	BEGIN;
	SELECT flowtest.start('prepared.' || n, n) FROM generate_series(1, $count) n;
	SELECT jadugar.signal($id, 'go', '{"n": 1}');
	SELECT jadugar.signal($id, 'go', '{"n": 2}');
	PREPARE TRANSACTION 'one'});
app(qq{
	BEGIN;
	SELECT flowtest.start('undone.' || n, n) FROM generate_series(1, $count) n;
	SELECT jadugar.abort_flow($id);
	PREPARE TRANSACTION 'two'});
my $other = app(q{SELECT jadugar.start_flow(graph) FROM flowtest.kind WHERE kind = 'chain'});
is($node->safe_psql('app', "SELECT status FROM jadugar.wait_flow($other, '1 min')"), 'completed', 'prepared: other runs continue');
is(app('SELECT run_id FROM jadugar.flow_runs ORDER BY 1'), "$id\n$other", 'prepared: no run of it is visible');
is($node->safe_psql('app', "SELECT status FROM jadugar.flow_runs WHERE run_id = $id"), 'running', 'prepared: no signal has arrived');
kill_postmaster($node);
$node->start;
app(q{COMMIT PREPARED 'one'});
app(q{ROLLBACK PREPARED 'two'});
is($node->safe_psql('app', "SELECT status FROM jadugar.wait_flow($id, '1 min')"), 'completed', 'prepared and committed: the signals have arrived');
is($node->safe_psql('app', "SELECT string_agg(result->>'n', ' ' ORDER BY node) FROM jadugar.flow_steps WHERE run_id = $id AND step LIKE 'w%'"),
	'1 2', 'prepared and committed: the signals are in order');
$node->safe_psql('app', "INSERT INTO flowtest.started SELECT 'other' || run_id, 'chain', run_id FROM unnest('{$id,$other}'::bigint[]) run_id");
ended('prepared and committed', 'app', 'prepared');

# --- a pause of everything --------------------------------------------------

$node->safe_psql('app', 'CALL flowtest.forget()');
start('paused');
$node->safe_psql('app', 'SELECT jadugar.pause_all()');
poll($node, 'SELECT count(*) FROM jadugar.running', '0', 'app');
start('later');
check('paused');
my $effects = $node->safe_psql('app', 'SELECT count(*) FROM flowtest.effect');
my $signalled = $node->safe_psql('app', q{SELECT run_id FROM flowtest.started WHERE kind = 'signal' AND label LIKE 'later%' LIMIT 1});
app("SELECT jadugar.signal($signalled, 'go', '{\"n\": 1}')");
$node->safe_psql('app', "UPDATE flowtest.started SET asked = 1 WHERE run_id = $signalled");
poll($node, "SELECT status FROM jadugar.flow_steps WHERE run_id = $signalled AND step = 'w1'", 'completed', 'app');
is($node->safe_psql('app', 'SELECT count(*) FROM flowtest.effect'), $effects, 'paused: no step begins');
check('paused, and signalled');

# --- a dump and a copy, made in that state ----------------------------------

my $dir = PostgreSQL::Test::Utils::tempdir();

command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", '-d', $node->connstr('app') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'pg_restore', '-d', $node->connstr('restored'), "$dir/dump" ], 'pg_restore');
$node->safe_psql('app', 'SELECT jadugar.resume_all()');
ended('resumed', 'app', 'paused', 'later');

wait_for_process($node, 'scheduler', 'restored');
poll($node, q{SELECT severity FROM jadugar.health WHERE what = 'identity'}, 'error', 'restored');
check('restored', 'restored');
is($node->safe_psql('restored', 'SELECT count(*) FROM flowtest.effect'), $effects, 'restored: nothing has run');
$node->safe_psql('restored', q{SELECT jadugar.adopt(pending => 'run')});
ended('restored and adopted', 'restored', 'paused', 'later');

# --- promotion --------------------------------------------------------------

my $standby = new_standby('standby', $node);

$node->safe_psql('app', 'CALL flowtest.forget()');
start_waits();
start('promoted');
$node->wait_for_catchup($standby);
kill_postmaster($node);
$standby->promote;
$node = $standby;
wait_for_process($node, 'scheduler', 'app');
app("CALL flowtest.load('promoted.', 1, $count)");
poll($node, 'SELECT count(*) FROM flowtest.unfinished WHERE run_id NOT IN (SELECT run_id FROM waits)', '0', 'app');
$node->safe_psql('app', q{INSERT INTO flowtest.started SELECT 'wait' || n, 'chain', run_id FROM waits});
is($node->safe_psql('app', q{SELECT * FROM flowtest.findings() WHERE what NOT IN ('unfinished', 'end') LIMIT 10}),
	'', 'promoted: every effect exists once');
end_waits('promoted');
$node->stop;
done_testing();
