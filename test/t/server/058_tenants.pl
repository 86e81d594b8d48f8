# Tenants: drop_tenant() ends and goes on after a crash at each of its points; of two
# calls at a time, the slower one leaves the next tenant of the name alone; a tenant
# that is resumed after a day has its schedules handled by their misfire policies, also
# if the scheduler crashes meanwhile; quotas hold after a restart and in a copy of the
# database.
use strict;
use warnings;

use IPC::Run;
use JadugarTest;
use Kill;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', -faults => 1,
	log_min_messages => 'fatal',
	include_if_exists => 'torture.conf',
	'jadugar.clock_offset' => 0,
	max_prepared_transactions => 2,
	'jadugar.cancel_grace' => '1s');

$deadline = 60;
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	SELECT jadugar.grant_access('app')});

my @points = qw(tenant-dropping tenant-waited tenant-cancel tenant-ended tenant-delete tenant-removed tenant-released);
is(join(' ', sort @points), join(' ', grep { /^tenant-/ } fault_points()),
	'every fault point of tenants is tested');

sub hit
{
	return -e $node->data_dir . '/jadugar_fault.1';
}

sub forget_hit
{
	unlink glob($node->data_dir . '/jadugar_fault.*');
	return;
}

sub sql
{
	my ($query) = @_;

	return ($node->psql('postgres', $query))[1];
}

my $left = q{SELECT (SELECT count(*) FROM jadugar_internal.task WHERE tenant = 'gone')
	+ (SELECT count(*) FROM jadugar_internal.schedule WHERE tenant = 'gone')
	+ (SELECT count(*) FROM jadugar_internal.flow_run WHERE tenant = 'gone')
	+ (SELECT count(*) FROM jadugar_internal.attempt WHERE tenant = 'gone')
	+ (SELECT count(*) FROM jadugar_internal.log WHERE tenant = 'gone')
	+ (SELECT count(*) FROM jadugar_internal.tenant WHERE name = 'gone')};

foreach my $point (grep { $_ ne 'tenant-released' } @points)
{
	foreach my $action (qw(kill9 error))
	{
		forget_hit();
		$node->safe_psql('postgres', q{
			SELECT jadugar.create_tenant('gone');
			SET jadugar.tenant = 'gone';
			SET SESSION AUTHORIZATION app;
			SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, '{1500}'), delay => '1 day');
			SELECT count(*) FROM jadugar.enqueue_batch('SELECT jadugar.log(''info'', ''x'')', array_fill('{}'::jsonb, '{20}'));
			SELECT jadugar.enqueue('SELECT pg_sleep(600) -- waits-for-time: it is cancelled');
			SELECT jadugar.schedule('gone', 'every 1 second', 'SELECT 1');
			SELECT jadugar.start_flow(jadugar.approval('ok'))});
		poll_sub("$point:$action: work has begun", sub {
			return sql(q{SELECT count(*) = 20 AND EXISTS (SELECT FROM jadugar.running) FROM jadugar.logs}) eq 't'; });
		eval { $node->psql('postgres', "SET jadugar.fault = '$point:$action';\nCALL jadugar.drop_tenant('gone')", stderr => \my $err) };
		ok(hit(), "$point:$action: taken");
		poll_sub("$point:$action: the server is there", sub { return sql('SELECT 1') eq '1'; });
		isnt(sql($left), '0', "$point:$action: something is left");
		is(sql(q{SELECT dropping AND paused FROM jadugar.tenants}), 't', "$point:$action: it is being dropped");
		my ($rc, $out, $err) = $node->psql('postgres', q{SET jadugar.tenant = 'gone'; SELECT jadugar.enqueue('SELECT 1')});
		like($err, qr/is being dropped/, "$point:$action: no work can be made");
		poll_sub("$point:$action: dropped", sub {
			$node->psql('postgres', q{CALL jadugar.drop_tenant('gone')}, timeout => 60);
			return sql($left) eq '0'; });
	}
}

# Another call drops the tenant while the first one waits between two transactions.
foreach my $point (qw(tenant-dropping tenant-waited tenant-ended))
{
	forget_hit();
	$node->safe_psql('postgres', q{SELECT jadugar.create_tenant('gone')});
	my $slow = IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-c', "SET jadugar.fault = '$point:wait'", '-c', q{CALL jadugar.drop_tenant('gone')} ],
		'>', \my $out, '2>', \my $err);
	poll_sub("$point: the first call waits", sub { return hit(); });
	$node->safe_psql('postgres', q{CALL jadugar.drop_tenant('gone')});
	$node->safe_psql('postgres', q{
		SELECT jadugar.create_tenant('gone');
		SET jadugar.tenant = 'gone';
		SELECT jadugar.enqueue('SELECT jadugar.log(''info'', ''x'')'), jadugar.enqueue('SELECT 1', delay => '1 day'),
			jadugar.schedule('gone', '@yearly', 'SELECT 1'), jadugar.start_flow(jadugar.approval('ok'))});
	my $there = q{SELECT string_agg(n::text, ' ') FROM (
		SELECT count(*) FROM jadugar.history WHERE tenant = 'gone' UNION ALL SELECT count(*) FROM jadugar.logs WHERE tenant = 'gone'
		UNION ALL SELECT count(*) FROM jadugar.tasks WHERE tenant = 'gone' UNION ALL SELECT count(*) FROM jadugar.schedules WHERE tenant = 'gone'
		UNION ALL SELECT count(*) FROM jadugar.flow_runs WHERE tenant = 'gone' AND status = 'running') x (n)};
	poll($node, $there, '1 1 1 1 1');
	append_to_file($node->data_dir . '/jadugar_fault.go', '');
	IPC::Run::finish($slow);
	like($err, qr/tenant "gone" does not exist any more\nDETAIL:  Another session has dropped it/, "$point: the first call ends");
	is(sql($there), '1 1 1 1 1', "$point: the new tenant has its rows");
	is(sql(q{SELECT dropping FROM jadugar.tenants WHERE name = 'gone'}), 'f', "$point: it is not dropped");
	$node->safe_psql('postgres', q{CALL jadugar.drop_tenant('gone')});
}

# A day passes while a tenant is paused.
foreach my $action ('', 'kill9', 'error')
{
	forget_hit();
	$node->append_conf('postgresql.conf', 'jadugar.clock_offset = 0');
	$node->restart;
	$node->safe_psql('postgres', q{
		SELECT jadugar.create_tenant('held');
		SET jadugar.tenant = 'held';
		SET SESSION AUTHORIZATION app;
		SELECT jadugar.schedule('once', 'every 1 hour', 'SELECT 1', misfire => 'once', misfire_grace => '2 days');
		SELECT jadugar.schedule('all', 'every 1 hour', 'SELECT 1', misfire => 'all', misfire_grace => '2 days', overlap => 'parallel');
		SELECT jadugar.schedule('skip', 'every 1 hour', 'SELECT 1', misfire => 'skip');
		RESET SESSION AUTHORIZATION;
		SELECT jadugar.pause_tenant('held')});
	$node->append_conf('postgresql.conf', 'jadugar.clock_offset = 86700');
	$node->reload;
	poll_sub("held $action: schedules are held", sub { return sql('SELECT count(*) FROM jadugar_internal.schedule WHERE held') eq '3'; });
	is(sql('SELECT sum(runs + missed) FROM jadugar.schedules'), '0', "held $action: nothing has fired");
	if ($action)
	{
		$node->append_conf('postgresql.conf', "jadugar.fault = 'tenant-released:$action'");
		$node->reload;
	}
	sql(q{SELECT jadugar.resume_tenant('held')});
	poll_sub("held $action: the policies have decided", sub {
		return sql(q{SELECT string_agg(name || ' ' || runs || ' ' || missed, ', ' ORDER BY name) FROM jadugar.schedules}) eq 'all 24 0, once 1 23, skip 0 24'; });
	ok(!$action || hit(), "held $action: taken");
	is(sql('SELECT count(*) FROM jadugar_internal.schedule WHERE held'), '0', "held $action: all are released");
	$node->append_conf('postgresql.conf', "jadugar.fault = ''");
	$node->reload;
	$node->safe_psql('postgres', q{CALL jadugar.drop_tenant('held')});
}

# Days pass: of each day, two tenants have five rows, and one without limits.
$node->append_conf('postgresql.conf', 'jadugar.clock_offset = 0');
$node->restart;
$node->safe_psql('postgres', q{
	SELECT jadugar.create_tenant('short', retention => '36 hours');
	SELECT jadugar.create_tenant('few', max_history => 12)});
foreach my $day (0 .. 3)
{
	$node->append_conf('postgresql.conf', 'jadugar.clock_offset = ' . 86400 * $day);
	$node->reload;
	$node->safe_psql('postgres', qq{
		SELECT count(*) FROM unnest('{short, few, all}'::text[]) t,
			LATERAL jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, '{5}'), tenant => t, metadata => '{"day": $day}', owner => 'app')});
	poll_sub("day $day: tasks have run", sub {
		return sql(qq{SELECT count(*) = 15 AND max(finished_at) - now() BETWEEN '$day days' - interval '1 h' AND '$day days 1 h'
			FROM jadugar.history WHERE metadata ->> 'day' = '$day'}) eq 't'; });
}
my $kept = q{SELECT string_agg(tenant || ' ' || days, ', ' ORDER BY tenant) FROM (
	SELECT tenant, string_agg(DISTINCT metadata ->> 'day', '' ORDER BY metadata ->> 'day') AS days FROM jadugar.history WHERE tenant IN ('short', 'few', 'all') GROUP BY tenant) x};
my $days = 0;
poll_sub('retention and max_history', sub {
	$node->append_conf('postgresql.conf', 'jadugar.clock_offset = ' . (86400 * 3 + 7200 * ++$days));
	$node->reload;
	return sql($kept) =~ /^all 0123, few 23(, short 3)?$/; });
poll_sub('retention', sub { return sql($kept) =~ /^all 0123, few 23(, short 3)?$/; });

# A copy of the database has the tenants, their state and their quotas.
$node->append_conf('postgresql.conf', 'jadugar.clock_offset = 0');
$node->restart;
$node->safe_psql('postgres', q{
	SELECT jadugar.create_tenant('full', max_tasks => 3, history => 'failures');
	SELECT jadugar.pause_tenant('full', 'is copied');
	SELECT jadugar.grant_tenant('full', 'app', 'monitor');
	SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, '{2}'), tenant => 'full', delay => '1 day');
	SELECT jadugar.schedule('full', '@yearly', 'SELECT 1', tenant => 'full')});
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'psql', '-qXf', $dump, '-d', $node->connstr('copy') ], 'restored');
$node->safe_psql('copy', q{SELECT jadugar.adopt()});
my $state = q{SELECT n.name, n.paused, n.pause_reason, n.unfinished, n.schedules, n.max_tasks, n.history, n.owner = current_user, g.role, g.level
	FROM jadugar.tenants n JOIN jadugar.tenant_grants g ON g.tenant = n.name WHERE n.name = 'full'};
foreach my $db (qw(postgres copy))
{
	is($node->safe_psql($db, $state), 'full|t|is copied|2|1|3|failures|t|app|monitor', "$db: the tenant");
	$node->safe_psql($db, q{SELECT jadugar.enqueue('SELECT 1', tenant => 'full', delay => '1 day')});
	like(psql_error($node, q{SELECT jadugar.enqueue('SELECT 1', tenant => 'full')}, $db),
		qr/tenant "full" has too many unfinished tasks/, "$db: max_tasks");
	is($node->safe_psql($db, q{SELECT jadugar.create_tenant('next') > tenant_id FROM jadugar_internal.tenant WHERE name = 'full'}),
		't', "$db: ids go on");
}
# a restart counts the tasks anew
$node->restart;
like(psql_error($node, q{SELECT jadugar.enqueue('SELECT 1', tenant => 'full')}),
	qr/too many unfinished tasks/, 'after a restart: max_tasks');
# a prepared transaction has a place until it ends
$node->safe_psql('postgres', q{SELECT jadugar.alter_tenant('full', max_tasks => 4)});
$node->safe_psql('postgres', q{BEGIN; SELECT jadugar.enqueue('SELECT 1', tenant => 'full', delay => '1 day'); PREPARE TRANSACTION 'p'});
like(psql_error($node, q{SELECT jadugar.enqueue('SELECT 1', tenant => 'full')}),
	qr/too many unfinished tasks/, 'a prepared transaction has a place');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'p'});
poll($node, q{SELECT jadugar.enqueue('SELECT 1', tenant => 'full', delay => '1 day') > 0}, 't');
# when it has ended, the number of tasks is right, also after a restart in between
$node->safe_psql('postgres', q{
	SELECT jadugar.create_tenant('prepared', max_tasks => 5);
	-- enqueues until the tenant is full
	CREATE PROCEDURE fill_up() LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. 100 LOOP
			BEGIN
				PERFORM jadugar.enqueue('SELECT 1', tenant => 'prepared', delay => '1 day');
			EXCEPTION WHEN SQLSTATE 'JD013' THEN RETURN;
			END;
		END LOOP;
	END $$});
foreach my $end (qw(COMMIT ROLLBACK))
{
	foreach my $restart (undef, 'fast', 'immediate')
	{
		my $what = "$end PREPARED" . ($restart ? " after a restart ($restart)" : '');
		my $first = $node->safe_psql('postgres', q{
			SELECT jadugar.cancel_tasks(tenant => 'prepared') \g /dev/null
			SELECT min(jadugar.enqueue('SELECT 1', tenant => 'prepared', delay => '1 day')) FROM generate_series(1, 2)});

		$node->safe_psql('postgres', qq{
			BEGIN;
			SELECT jadugar.enqueue('SELECT 1', tenant => 'prepared', delay => '1 day') FROM generate_series(1, 2);
			SELECT jadugar.cancel($first);
			PREPARE TRANSACTION 'p'});
		if ($restart)
		{
			$node->stop($restart);
			$node->start;
		}
		$node->safe_psql('postgres', "$end PREPARED 'p'");
		is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.tasks WHERE tenant = 'prepared'}), $end eq 'COMMIT' ? 3 : 2, "$what: its tasks");
		$node->safe_psql('postgres', 'CALL fill_up()');
		is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.tasks WHERE tenant = 'prepared'}), 5, "$what: the tenant holds five");
		is($node->safe_psql('postgres', qq{SELECT jadugar.cancel(max(task_id)) FROM jadugar.tasks WHERE tenant = 'prepared'; CALL fill_up();
			SELECT count(*) FROM jadugar.tasks WHERE tenant = 'prepared'}), "t\n5", "$what: and not more after an end");
	}
}
# drop_tenant() waits for it, also after a restart, and drops its tasks
$node->safe_psql('postgres', q{BEGIN; SELECT jadugar.alter_tenant('prepared', reset => '{max_tasks}');
	SELECT jadugar.enqueue('SELECT 1', tenant => 'prepared', delay => '1 day'); PREPARE TRANSACTION 'p'});
$node->restart;
my $drop = $node->background_psql('postgres');
$drop->query_until(qr/dropping/, "\\echo dropping\nCALL jadugar.drop_tenant('prepared');\n");
ok(poll($node, q{SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()}, '1'), 'drop_tenant() waits for a prepared transaction');
$node->safe_psql('postgres', q{COMMIT PREPARED 'p'});
$drop->query_safe('SELECT 1');
$drop->quit;
is($node->safe_psql('postgres', q{SELECT (SELECT count(*) FROM jadugar.tasks WHERE tenant = 'prepared'), (SELECT count(*) FROM jadugar.tenants WHERE name = 'prepared')}), '0|0', 'and drops its tasks');

done_testing();
