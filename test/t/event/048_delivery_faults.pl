# At each fault point of the delivery a worker or the scheduler fails, under load.
# Afterwards each event was handled exactly once, those of a key in their order,
# and the shards go on by themselves.  Then handlers that kill their worker or the
# server, commits that fail, restarts, and changes of subscriptions beside load.
use strict;
use warnings;

use IPC::Run;
use JadugarTest;
use Kill ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

$deadline = 20;

my $node = new_cluster('main', -faults => 1,
	'jadugar.max_workers' => 4,
	'jadugar.max_crashes' => 1000,
	shared_buffers => '32MB');
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE SCHEMA app;
	CREATE SEQUENCE app.turn;
	CREATE TABLE app.sub (name text PRIMARY KEY);
	CREATE TABLE app.handled (sub text, event_id bigint, key text, turn bigint DEFAULT nextval('app.turn'));
	CREATE FUNCTION app.handle(e jadugar.event_info, who text) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		attempt int := (jadugar.current_event()).attempt;
	BEGIN
		INSERT INTO app.handled VALUES (who, e.event_id, e.key);
		IF e.data ? who AND attempt <= (e.data->>who)::int THEN
			RAISE EXCEPTION 'attempt %', attempt USING ERRCODE = '40001';
		END IF;
	END $$;
	CREATE FUNCTION app.handle(e jadugar.event_info[], who text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO app.handled SELECT who, (u).event_id, (u).key FROM unnest(e) u;
	END $$;
	INSERT INTO app.sub SELECT unnest('{key,park,block,batch,task}'::text[]);
	SELECT jadugar.create_queue('tasks', max_depth => 20);
	SELECT jadugar.subscribe(name, '{m.*}', format('SELECT app.handle($1, %L)', name), shards => 2, max_attempts => 10000, retry => '{"delay": 0.01, "max_delay": 0.05}',
		on_failure => CASE WHEN name IN ('park', 'block') THEN name ELSE 'park_key' END, batch => CASE name WHEN 'batch' THEN 5 END,
		delivery => CASE name WHEN 'task' THEN 'task' ELSE 'inline' END, queue => CASE name WHEN 'task' THEN 'tasks' END)
	FROM app.sub;
	-- one whose worker ends, or whose transaction cannot commit
	CREATE TABLE app.late AS SELECT true AS fails;
	CREATE FUNCTION app.once(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO app.handled VALUES ('once', e.event_id, e.key);
		IF e.data ? 'die' AND (jadugar.current_event()).attempt = 1 THEN
			PERFORM pg_terminate_backend(pg_backend_pid());
		END IF;
		IF e.data ? 'late' AND (SELECT fails FROM app.late) THEN
			-- "unsupported ON COMMIT and foreign key combination", said only at commit
			CREATE TEMP TABLE a (n int PRIMARY KEY) ON COMMIT DELETE ROWS;
			CREATE TEMP TABLE b (n int REFERENCES a);
		END IF;
	END $$;
	INSERT INTO app.sub VALUES ('once');
	SELECT jadugar.subscribe('once', '{m.*}', 'SELECT app.once($1)', shards => 2, max_attempts => 10000, retry => '{"delay": 0.01, "max_delay": 0.05}')});

# During a restart of the server a psql may fail in any way.
sub try
{
	my ($sql) = @_;

	return eval { $node->psql('postgres', $sql, on_error_stop => 1, stderr => \my $err) };
}

# Publishes events with keys, some of which fail in one of the subscriptions.
sub load
{
	return try(q{
		SELECT jadugar.publish('m.a', CASE WHEN i % 7 = 0 THEN jsonb_build_object((ARRAY['key', 'park', 'block'])[1 + i % 3], 1) ELSE '{}' END, 'k' || i % 5)
		FROM generate_series(1, 30) i});
}

sub bring_back
{
	poll($node, 'SELECT true');
	foreach my $setting (@_)
	{
		$node->safe_psql('postgres', "ALTER SYSTEM RESET $setting");
	}
	$node->reload;
	return;
}

# Everything has been handled, once and in order.
sub prove
{
	my ($what) = @_;
	my $types = q{e.type LIKE 'm.%'};
	my $done = poll($node, qq{SELECT count(*) FROM app.sub s, jadugar.events e WHERE $types
		AND NOT EXISTS (SELECT FROM app.handled h WHERE h.sub = s.name AND h.event_id = e.event_id)}, '0');

	$done = poll($node, 'SELECT count(*) FROM jadugar_internal.parked p JOIN jadugar_internal.subscription s USING (subscription_id) JOIN app.sub ON sub.name = s.name', '0') && $done;
	diag($node->safe_psql('postgres', q{
		SELECT subscription, shard, status, handled, failed, parked, in_a_row, retry_at, blocked_id, attempts, error FROM jadugar.subscription_shards;
		SELECT * FROM jadugar.dead_letters LIMIT 10;
		SELECT * FROM jadugar_internal.event_cursor})) if !$done;
	my $wrong = $node->safe_psql('postgres', q{
		SELECT 'doubled', sub, event_id, count(*) FROM app.handled GROUP BY 2, 3 HAVING count(*) > 1
		UNION ALL
		SELECT 'in disorder', sub, max(event_id), count(*) FROM (SELECT *, max(event_id) OVER (PARTITION BY sub, key ORDER BY turn) AS highest FROM app.handled WHERE sub <> 'park') h
		WHERE event_id < highest GROUP BY 2});

	ok($done && $wrong eq '', "$what: each event was handled once, and in order") or diag($wrong);
	return;
}

sub forget_faults
{
	unlink(glob($node->data_dir . '/jadugar_fault.*'));
	return;
}

sub fail_at
{
	my ($point, $action, $drive) = @_;
	my $offset = log_offset($node);

	forget_faults();
	$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.fault = '$point:$action'");
	$node->reload;
	poll_sub("$point:$action is hit", sub {
		$drive->();
		for (1 .. 20)
		{
			return 1 if -e $node->data_dir . '/jadugar_fault.1';
			usleep(20_000);    # waits-for-time: between looks, in a loop with a deadline
		}
		return 0;
	});
	wait_for_log($node, qr/all server processes terminated; reinitializing/, $offset)
	  if $action =~ /kill9|sigsegv|panic/;
	bring_back('jadugar.fault');
	load();
	# what could not commit is dead
	$node->safe_psql('postgres', 'UPDATE app.late SET fails = false');
	poll($node, q{SELECT jadugar.redrive('once') IS NOT NULL AND NOT EXISTS (SELECT FROM jadugar.events e WHERE data ? 'late'
		AND NOT EXISTS (SELECT FROM app.handled h WHERE h.sub = 'once' AND h.event_id = e.event_id))});
	$node->safe_psql('postgres', 'UPDATE app.late SET fails = true');
	prove("$point:$action");
	return;
}

my @workers = qw(kill9 sigterm error exit);

my @points = (
	[ 'delivery-window-found', @workers ],
	[ 'delivery-taken', @workers ],
	[ 'delivery-handled', @workers ],
	[ 'delivery-task-made', @workers ],
	[ 'delivery-parked', @workers ],
	[ 'delivery-parked-changed', @workers ],
	[ 'delivery-held', @workers ],
	[ 'delivery-cursor-written', @workers ],
	[ 'delivery-before-commit', @workers ],
	[ 'delivery-committed', @workers ],
	[ 'delivery-undone', qw(kill9 sigterm) ],
	[ 'delivery-telling', qw(kill9 panic) ],
	[ 'delivery-charge-before-commit', qw(kill9 sigterm error) ],
	[ 'delivery-commit-charged', qw(kill9 sigterm error) ],
	[ 'delivery-resharded', qw(kill9 sigterm error) ]);

# how some are reached
my %drive = (
	'delivery-parked-changed' => sub { load(); try(q{SELECT jadugar.publish('m.a', '{"key": 3, "park": 3}', 'k' || i) FROM generate_series(1, 3) i}); load(); },
	'delivery-resharded' => sub { load(); try(q{SELECT jadugar.alter_subscription(name, shards => 1 + shards % 3) FROM jadugar.subscriptions}); load(); },
	'delivery-charge-before-commit' => sub { load(); try(q{SELECT jadugar.publish('m.a', '{"die": 1}', 'k' || i) FROM generate_series(1, 3) i}); load(); },
	'delivery-commit-charged' => sub { load(); try(q{SELECT jadugar.publish('m.a', '{"late": 1}', 'k' || i) FROM generate_series(1, 3) i}); load(); });

is(join(' ', sort map { $_->[0] } @points), join(' ', grep { /^delivery-/ } Kill::fault_points()),
	'every fault point of the delivery is tested');
foreach my $p (@points)
{
	my ($point, @actions) = @$p;

	next if $ENV{JADUGAR_POINT} && $point !~ /$ENV{JADUGAR_POINT}/;
	fail_at($point, $_, $drive{$point} // \&load) foreach @actions;
}
bring_back();

# ------------------------------------------------------------------- poison

# One poisonous event between others of its key and of other keys: it ends as a
# dead letter, and the others are handled.
sub poison
{
	my ($name, $handler, $crashes, %o) = @_;
	my $what = "$name: a handler that " . $o{what};

	$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.max_crashes = $crashes");
	$node->reload;
	$node->safe_psql('postgres', qq{
		CREATE FUNCTION app.$name(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS \$\$
		BEGIN
			INSERT INTO app.handled VALUES ('$name', e.event_id, e.key);
			IF e.data ? 'poison' THEN
				$handler
			END IF;
		END \$\$;
		SELECT jadugar.subscribe('$name', '{$name}', 'SELECT app.$name(\$1)', retry => '{"delay": 0.01}', max_attempts => $o{attempts}, on_failure => '$o{policy}')});
	$node->safe_psql('postgres', qq{
		SELECT jadugar.publish('$name', CASE i WHEN 5 THEN '{"poison": 1}'::jsonb ELSE '{}' END, 'k' || i % 2) FROM generate_series(1, 10) i});
	my $wanted = $o{policy} eq 'park_key' ? 7 : $o{policy} eq 'block' ? 4 : 9;

	poll($node, "SELECT count(*) FROM app.handled WHERE sub = '$name'", $wanted);
	if ($o{policy} eq 'block')
	{
		poll($node, "SELECT status FROM jadugar.subscriptions WHERE name = '$name'", 'blocked');
	}
	else
	{
		poll($node, "SELECT string_agg(DISTINCT state, ' ' ORDER BY state) FROM jadugar.dead_letters WHERE subscription = '$name'", $o{policy} eq 'park_key' ? 'dead held' : 'dead');
		is($node->safe_psql('postgres', "SELECT attempts, errors->-1->>'" . ($o{field} // 'sqlstate') . "' FROM jadugar.dead_letters WHERE subscription = '$name' AND state = 'dead'"),
			$o{dead}, "$what: the event is dead");
	}
	poll($node, 'SELECT true');
	$node->safe_psql('postgres', "SELECT jadugar.discard_events('$name', ARRAY(SELECT event_id FROM jadugar.events WHERE type = '$name' AND data ? 'poison'))");
	poll($node, "SELECT count(*) FROM app.handled WHERE sub = '$name'", 9);
	is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT event_id) FROM app.handled WHERE sub = '$name'"), '9|9', "$what: the others were handled once");
	bring_back('jadugar.max_crashes');
	return;
}

my $die = 'PERFORM pg_terminate_backend(pg_backend_pid());';

poison("die_$_", $die, 2, what => 'ends its worker', attempts => 10, policy => $_, dead => '2|JD010') foreach qw(park_key park block);
poison("late_$_", 'CREATE TEMP TABLE a (n int PRIMARY KEY) ON COMMIT DELETE ROWS; CREATE TEMP TABLE b (n int REFERENCES a);', 1000,
	what => 'fails at commit', attempts => 1, policy => $_, dead => '1|0A000') foreach qw(park_key park block);

# An error in a group of tasks comes between such a commit and its charge: the event
# is tried again.
{
	my $offset = log_offset($node);

	forget_faults();
	$node->safe_psql('postgres', q{
		SELECT jadugar.subscribe('between', '{between}', 'SELECT app.late_park($1)', retry => '{"delay": 0.01}', max_attempts => 1, on_failure => 'park')});
	$node->safe_psql('postgres', q{
		SELECT jadugar.pause_all(), jadugar.publish('between', '{"poison": 1}');
		SELECT jadugar.enqueue('SELECT pg_sleep(0.01)') FROM generate_series(1, 200)});    # waits-for-time: for a worker to find some
	$node->safe_psql('postgres', q{ALTER SYSTEM SET jadugar.fault = 'claim-held:error:20'});
	$node->reload;
	$node->safe_psql('postgres', 'SELECT jadugar.resume_all()');
	poll_sub('between: workers fail', sub { return -e $node->data_dir . '/jadugar_fault.20' });
	bring_back('jadugar.fault');
	poll($node, q{SELECT state FROM jadugar.dead_letters WHERE subscription = 'between'}, 'dead');
	poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
	unlike(slurp_file($node->logfile, $offset), qr/was terminated by signal/, 'an error before a failed commit is charged');
	forget_faults();
}

# the program that COPY starts kills its parent
{
	my $offset = log_offset($node);

	poison('crash', q{COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID; sleep 1';}, 2, what => 'crashes the server', attempts => 10, policy => 'park_key', dead => '2|JD010');
	wait_for_log($node, qr/all server processes terminated; reinitializing/, $offset);
}

# ------------------------------------------------------- beside load

load() foreach 1 .. 5;
$node->restart;
load();
prove('restart');

$node->safe_psql('postgres', q{SELECT jadugar.pause_subscription(name) FROM app.sub});
load();
$node->safe_psql('postgres', q{SELECT jadugar.resume_subscription(name) FROM app.sub});
load();
prove('paused and resumed');

# A session has locked the cursors, and rolls back: nothing tells the workers.
{
	my $out = '';
	my $holder = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \"BEGIN; SELECT jadugar.redrive(name) FROM app.sub; SELECT pg_sleep(1); ROLLBACK;\n", '>', \$out, '2>&1');    # waits-for-time: workers are to meet the lock

	$holder->pump_nb;
	poll_sub('the cursors are locked', sub { $holder->pump_nb; return psql_error($node, 'SELECT 1 FROM jadugar_internal.event_cursor FOR UPDATE NOWAIT') ne ''; });
	load();
	$holder->finish;
	is($out =~ /ERROR/ ? $out : '', '', 'the session has met no error');
	prove('locked by a session that rolls back');
}

# A session has changed the number of shards, and is between the end of its transaction
# and its messages to other processes.  A worker that knows only the old number must not
# handle what comes after the snapshot of the change: it would come again.
{
	my $handled = q{SELECT count(*), count(DISTINCT event_id) FROM app.handled WHERE sub = 'divided'};

	forget_faults();
	unlink($node->data_dir . '/jadugar_fault.go');
	$node->safe_psql('postgres', q{
		SELECT jadugar.subscribe('divided', '{divided}', 'SELECT app.handle($1, ''divided'')');
		SELECT jadugar.publish('divided', key => 'k' || i) FROM generate_series(1, 3) i});
	poll($node, $handled, '3|3');
	my $session = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', q{SET jadugar.fault = 'delivery-telling:wait'},
			'-c', q{SELECT jadugar.alter_subscription('divided', shards => 3), jadugar.publish('m.a')} ], '>', '/dev/null');
	poll_sub('the session waits', sub { return -e $node->data_dir . '/jadugar_fault.1' });
	my $locks = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'jadugar worker' AND wait_event_type = 'Lock'};

	$node->safe_psql('postgres', q{SELECT jadugar.publish('divided', key => 'k' || i) FROM generate_series(1, 3) i});
	# workers have looked at all shards
	load();
	prove('beside a change of the number of shards');
	is($node->safe_psql('postgres', $locks), '0', 'no worker waits for the session');
	append_to_file($node->data_dir . '/jadugar_fault.go', '');
	$session->finish;
	poll($node, q{SELECT shards FROM jadugar.subscriptions WHERE name = 'divided'}, '3');
	poll($node, q{SELECT behind FROM jadugar.subscriptions WHERE name = 'divided'}, '0');
	is($node->safe_psql('postgres', $handled), '6|6', 'each event was handled once');
	unlink($node->data_dir . '/jadugar_fault.go');
	forget_faults();
}

# seek to the beginning: all events again; unsubscribe beside load
$node->safe_psql('postgres', q{SELECT jadugar.pause_subscription('key')});
$node->safe_psql('postgres', q{DELETE FROM app.handled WHERE sub = 'key'; SELECT jadugar.seek('key', 'beginning'); SELECT jadugar.resume_subscription('key')});
load();
prove('seek');
load() foreach 1 .. 3;
$node->safe_psql('postgres', q{SELECT jadugar.unsubscribe('batch', dead_letters => 'drop'); DELETE FROM app.sub WHERE name = 'batch'});
load();
prove('unsubscribe');

# the owner may not log in any more
$node->safe_psql('postgres', q{
	CREATE ROLE own LOGIN;
	SELECT jadugar.grant_access('own');
	GRANT ALL ON SCHEMA app TO own; GRANT ALL ON ALL TABLES IN SCHEMA app TO own; GRANT ALL ON ALL SEQUENCES IN SCHEMA app TO own;
	SELECT jadugar.subscribe('own', '{own}', 'SELECT app.handle($1, ''own'')', owner => 'own')});
$node->safe_psql('postgres', q{SET ROLE own; SELECT jadugar.publish('own')});
poll($node, q{SELECT count(*) FROM app.handled WHERE sub = 'own'}, '1');
$node->safe_psql('postgres', q{ALTER ROLE own NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'own'});
$node->safe_psql('postgres', q{SET ROLE own; SELECT jadugar.publish('own')});
load();
prove('beside an owner who may not log in');
is($node->safe_psql('postgres', q{SELECT count(*) FROM app.handled WHERE sub = 'own'}), '1', 'nothing is handled as a role that may not log in');
$node->safe_psql('postgres', 'ALTER ROLE own LOGIN');
poll($node, q{SELECT count(*) FROM app.handled WHERE sub = 'own'}, '2');

$node->stop;
done_testing();
