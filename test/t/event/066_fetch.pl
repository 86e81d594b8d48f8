# Consumers outside the server.  At each fault point a consumer or the scheduler
# fails, under load.  Afterwards each event was handled exactly once, and those of a
# key in their order.  Then consumers that are killed before they commit, the
# notifications of the channel jadugar_events, waiting, and a copied database.
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
	'jadugar.max_workers' => 2,
	max_prepared_transactions => 5,
	shared_buffers => '32MB');
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE SCHEMA app;
	CREATE SEQUENCE app.turn;
	CREATE TABLE app.handled (event_id bigint, key text, who text, turn bigint DEFAULT nextval('app.turn'));
	-- a lease in one transaction, effects and acknowledgement in another
	CREATE PROCEDURE app.consume(who text, rounds int, does text DEFAULT 'ack') LANGUAGE plpgsql AS $$
	DECLARE
		lease text;
		ids bigint[];
		keys text[];
	BEGIN
		FOR i IN 1 .. rounds LOOP
			SELECT max(token), array_agg((event).event_id), array_agg((event).key) INTO lease, ids, keys
			FROM jadugar.fetch_events('out', who, max_rows => 5, lease => '100 ms');
			COMMIT;
			IF lease IS NOT NULL AND does = 'nack' THEN
				PERFORM jadugar.nack(lease, ids[1], 'once', retry_in => '1 s');
			ELSIF lease IS NOT NULL AND does = 'release' THEN
				PERFORM jadugar.release_lease(lease);
			ELSIF lease IS NOT NULL THEN
				INSERT INTO app.handled SELECT unnest(ids), unnest(keys), who;
				PERFORM jadugar.ack(lease);
			END IF;
			COMMIT;
		END LOOP;
	END $$;
	SELECT jadugar.subscribe('out', '{m.*}', delivery => 'fetch', shards => 2, max_attempts => 100000)});

# During a restart of the server a psql may fail in any way.
sub try
{
	my ($sql) = @_;

	return eval { $node->psql('postgres', $sql, on_error_stop => 1, stderr => \my $err) };
}

sub load
{
	my (%o) = @_;

	try(q{SELECT jadugar.alter_subscription('out', shards => 1 + (random() * 3)::int)}) if $o{reshard};
	return try(q{SELECT jadugar.publish('m.a', key => 'k' || i % 5) FROM generate_series(1, 30) i});
}

sub bring_back
{
	poll($node, 'SELECT true');
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET jadugar.fault');
	$node->reload;
	poll($node, q{SELECT current_setting('jadugar.fault')}, '');
	return;
}

# Consumers handle everything, once and in order.
sub prove
{
	my ($what) = @_;
	my $left = q{SELECT count(*) FROM jadugar.events e WHERE type LIKE 'm.%'
		AND NOT EXISTS (SELECT FROM app.handled h WHERE h.event_id = e.event_id)};
	my $done = poll_sub("$what: all are handled", sub {
		try(q{CALL app.consume('drain', 20)});
		return $node->safe_psql('postgres', $left) eq '0';
	});

	diag($node->safe_psql('postgres', q{
		SELECT * FROM jadugar.subscription_shards;
		SELECT * FROM jadugar.dead_letters LIMIT 10})) if !$done;
	my $wrong = $node->safe_psql('postgres', q{
		SELECT 'doubled', event_id, count(*) FROM app.handled GROUP BY 2 HAVING count(*) > 1
		UNION ALL
		SELECT 'in disorder', max(event_id), count(*) FROM (SELECT *, max(event_id) OVER (PARTITION BY key ORDER BY turn) AS highest FROM app.handled) h
		WHERE event_id < highest HAVING count(*) > 0});

	ok($done && $wrong eq '', "$what: each event was handled once, and in order") or diag($wrong);
	return;
}

sub fail_at
{
	my ($point, $action) = @_;
	my $offset = log_offset($node);

	unlink(glob($node->data_dir . '/jadugar_fault.*'));
	$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.fault = '$point:$action'");
	$node->reload;
	poll_sub("$point:$action is hit", sub {
		load(reshard => 1);
		try(q{CALL app.consume('victim', 3)});
		# those of the same key are held
		try(q{CALL app.consume('victim', 1, does => 'nack')});
		try(q{CALL app.consume('victim', 1, does => 'release')});
		try(q{CALL app.consume('victim', 10)});
		for (1 .. 20)
		{
			return 1 if -e $node->data_dir . '/jadugar_fault.1';
			usleep(20_000);    # waits-for-time: between looks, in a loop with a deadline
		}
		return 0;
	});
	wait_for_log($node, qr/all server processes terminated; reinitializing/, $offset)
	  if $action =~ /kill9|panic/;
	bring_back();
	prove("$point:$action");
	return;
}

# the last three are hit by workers, too: 048_delivery_faults.pl
my @points = (
	[ 'fetch-leased', qw(kill9 sigterm error exit) ],
	[ 'fetch-before-commit', qw(kill9 error) ],
	[ 'fetch-acked', qw(kill9 sigterm error exit) ],
	[ 'fetch-nacked', qw(kill9 sigterm error exit) ],
	[ 'fetch-released', qw(kill9 sigterm error exit) ],
	[ 'fetch-announced', qw(kill9 sigterm error exit) ],
	[ 'delivery-window-found', qw(kill9 error) ],
	[ 'delivery-parked', qw(kill9 error) ],
	[ 'delivery-held', qw(kill9 error) ],
	[ 'delivery-resharded', qw(kill9 sigterm error exit) ]);

is(join(' ', grep { /^fetch-/ } sort map { $_->[0] } @points), join(' ', grep { /^fetch-/ } Kill::fault_points()),
	'every fault point of fetching is tested');
foreach my $p (@points)
{
	my ($point, @actions) = @$p;

	fail_at($point, $_) foreach @actions;
}

# ------------------------------------------------------- killed before the commit

my $consumer = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $consumer->query('SELECT pg_backend_pid()');

load();
$consumer->query_safe(q{BEGIN});
$consumer->query_safe(q{CREATE TEMP TABLE got AS SELECT * FROM jadugar.fetch_events('out', 'killed', lease => '1 h')});
$consumer->query_safe(q{INSERT INTO app.handled SELECT (event).event_id, (event).key, 'killed' FROM got});
$consumer->query_safe(q{SELECT jadugar.ack(max(token)) FROM got});
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
eval { $consumer->quit };
poll($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid", '0');
is($node->safe_psql('postgres', q{SELECT count(*) FROM app.handled WHERE who = 'killed'}), '0', 'a consumer is killed before it commits: no effects');
prove('killed before the commit');

# the lease is committed, and outlives its consumer and the server
load();
is($node->safe_psql('postgres', q{SELECT count(DISTINCT token) FROM jadugar.fetch_events('out', 'gone', lease => '1 h')}), '1', 'a lease');
$node->restart;
my $token = $node->safe_psql('postgres', q{SELECT concat_ws('.', subscription_id, shard, epoch, lpad(to_hex(secret), 16, '0')) FROM jadugar_internal.event_cursor WHERE consumer = 'gone'});
is($node->safe_psql('postgres', q{SELECT holder FROM jadugar.subscription_shards WHERE holder IS NOT NULL}), 'gone', 'a lease outlives a restart');
is(psql_error($node, "SELECT jadugar.release_lease('$token')"), '', 'its token is still good');
prove('restart');

# an old and a new consumer of one shard at the same time: one has lost its lease
{
	my @out;
	my @sessions = map { my $n = $_; $out[$n] = ''; IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ],
			'<', \"CALL app.consume('c$n', 300);\n", '>', \$out[$n], '2>&1') } 0 .. 3;

	load(reshard => 1) foreach 1 .. 10;
	$_->finish foreach @sessions;
	is(join('', grep { $_ !~ /the lease has ended/ } @out), '', 'the only error is LEASE_LOST');
	prove('four consumers beside load and changes of the number of shards');
}
$node->safe_psql('postgres', q{SELECT jadugar.alter_subscription('out', shards => 2)});
ok(poll_sub('two shards again', sub {
	try(q{CALL app.consume('drain', 5)});
	return $node->safe_psql('postgres', q{SELECT shards FROM jadugar.subscriptions WHERE name = 'out'}) eq '2';
}), 'two shards again');

# ------------------------------------------------------- notifications

my $id = $node->safe_psql('postgres', q{SELECT subscription_id FROM jadugar.subscriptions WHERE name = 'out'});
my $listener = $node->background_psql('postgres');

$listener->query_safe('LISTEN jadugar_events');

# the payloads that have come
sub notified
{
	return $listener->query('SELECT') =~ /with payload "([^"]*)"/g;
}

sub wait_notified
{
	my ($what) = @_;
	my @got;

	ok(poll_sub($what, sub { push @got, notified(); return @got > 0; }), $what);
	is(join(' ', grep { $_ ne $id } @got), '', "$what: the payload is the id of the subscription");
	return;
}

# Waits until nothing more is to be announced.
sub quiet
{
	prove('quiet');
	poll_sub('no notification', sub {
		usleep(200_000);    # waits-for-time: ten times the interval between notifications
		return notified() == 0;
	});
	return;
}

quiet();
$node->safe_psql('postgres', q{SELECT jadugar.publish('m.a', key => 'k1')});
wait_notified('an event is announced');
quiet();
$node->safe_psql('postgres', q{SELECT jadugar.publish('other')});
$node->safe_psql('postgres', q{BEGIN; SELECT jadugar.publish('m.a', key => 'k1'); PREPARE TRANSACTION 'p'});
$node->safe_psql('postgres', q{COMMIT PREPARED 'p'});
wait_notified('COMMIT PREPARED is announced');
quiet();

# many are one notification
$node->safe_psql('postgres', 'ALTER SYSTEM SET jadugar.event_notify_interval = 2000');
$node->reload;
$node->safe_psql('postgres', join(';', (q{SELECT jadugar.publish('m.a', key => 'k1')}) x 100));
{
	my @got;

	poll_sub('they are announced', sub { push @got, notified(); return @got > 0; });
	cmp_ok(scalar(@got), '<=', 3, '100 transactions, few notifications');
}
$node->safe_psql('postgres', 'ALTER SYSTEM RESET jadugar.event_notify_interval');
$node->reload;
quiet();

# the end of a lease, and of a wait
$node->safe_psql('postgres', q{SELECT jadugar.publish('m.a', key => 'k1')});
wait_notified('an event is announced');
$node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.fetch_events('out', 'slow', lease => '1 s')});
notified();
wait_notified('a lease that runs out is announced');
$node->safe_psql('postgres', q{SELECT jadugar.nack(token, (event).event_id, retry_in => '1 s') FROM jadugar.fetch_events('out', 'slow', max_rows => 1)});
wait_notified('the end of a lease is announced');
notified();
wait_notified('an event that is due again is announced');
quiet();

# a lease that runs out before the commit, and a fetch that is rolled back to a savepoint
$node->safe_psql('postgres', q{SELECT jadugar.publish('m.a', key => 'k1')});
wait_notified('an event is announced');
{
	my $session = $node->background_psql('postgres');
	my $fetch = q{SELECT count(*) FROM jadugar.fetch_events('out', 'late', lease => '10 ms')};
	my $idle = sub {
		poll_sub('nothing is announced meanwhile', sub {
			usleep(100_000);    # waits-for-time: five times the interval between notifications
			return notified() == 0;
		});
	};

	$session->query_safe('BEGIN');
	is($session->query_safe($fetch), '1', 'a lease');
	$session->query_safe(q{SELECT pg_sleep(0.05)});    # waits-for-time: past the end of the lease
	# another shard has a lease that ends later: the scheduler has looked meanwhile
	$node->safe_psql('postgres', q{SELECT jadugar.publish('m.a', key => 'k' || i) FROM generate_series(1, 5) i});
	$node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.fetch_events('out', 'other', lease => '50 ms')});
	wait_notified('a lease of another shard');
	$idle->();
	$session->query_safe('COMMIT');
	wait_notified('a lease that ran out before its commit is announced');
	quiet();
	$node->safe_psql('postgres', q{SELECT jadugar.publish('m.a', key => 'k1')});
	wait_notified('an event is announced');
	$session->query_safe('BEGIN');
	$session->query_safe('SAVEPOINT s');
	is($session->query_safe($fetch), '1', 'a lease');
	is($node->safe_psql('postgres', $fetch), '0', 'another consumer gets nothing meanwhile');
	$idle->();
	$session->query_safe('ROLLBACK TO SAVEPOINT s');
	wait_notified('a rollback to a savepoint is announced');
	is($node->safe_psql('postgres', $fetch), '1', 'and the event can be fetched');
	$session->query_safe('COMMIT');
	$session->quit;
}
quiet();
$node->safe_psql('postgres', 'SELECT jadugar.pause_all()');
$node->safe_psql('postgres', q{SELECT jadugar.publish('m.a', key => 'k1')});
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.fetch_events('out', 'paused')}), '0', 'nothing is fetched while all work is paused');
$node->safe_psql('postgres', 'SELECT jadugar.resume_all()');
wait_notified('the end of a pause is announced');
quiet();
$listener->quit;

# ------------------------------------------------------- waiting

{
	my $out = '';
	my $waiter = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') . " application_name=waiter", '-c', "CALL jadugar.wait_events('out', '60 s')" ], '>', \$out, '2>&1');
	my $asleep = q{FROM pg_stat_activity a WHERE application_name = 'waiter' AND wait_event_type = 'Extension'};

	poll($node, "SELECT count(*) $asleep", '1');
	is($node->safe_psql('postgres', "SELECT backend_xid IS NULL, backend_xmin IS NULL, (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND locktype = 'relation') $asleep"),
		't|t|0', 'a backend that waits has no snapshot and no lock');
	$node->safe_psql('postgres', 'SELECT jadugar.pause_all()');
	$node->safe_psql('postgres', q{SELECT jadugar.publish('m.a', key => 'k1')});
	$node->safe_psql('postgres', 'SELECT jadugar.resume_all()');
	$waiter->finish;
	is($out, "t\n", 'it goes on at the end of a pause');

	prove('waiting');
	$out = '';
	$waiter = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') . " application_name=waiter", '-c', "CALL jadugar.wait_events('out', '60 s')" ], '>', \$out, '2>&1');
	poll($node, "SELECT count(*) $asleep", '1');
	$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) $asleep");
	$waiter->finish;
	like($out, qr/canceling statement due to user request/, 'it can be cancelled');
}

# ------------------------------------------------------- a copy

load();
$token = $node->safe_psql('postgres', q{SELECT DISTINCT token FROM jadugar.fetch_events('out', 'original', lease => '1 h')});
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
like(psql_error($node, q{SELECT jadugar.fetch_events('out', 'c')}, 'copy'), qr/this database is a copy that has not been adopted/, 'a copy: no events before adopt()');
like(psql_error($node, "SELECT jadugar.ack('$token')", 'copy'), qr/this database is a copy that has not been adopted/, 'nor are any acknowledged');
$node->safe_psql('copy', 'SELECT jadugar.adopt()');
like(psql_error($node, "SELECT jadugar.ack('$token')", 'copy'), qr/the lease has ended/, 'a token of the original is void in the copy');
is(psql_error($node, "SELECT jadugar.ack('$token')"), '', 'and good in the original');
cmp_ok($node->safe_psql('copy', q{SELECT count(*) FROM jadugar.fetch_events('out', 'c')}), '>', 0, 'the copy has its events after adopt()');

$node->stop;
done_testing();
