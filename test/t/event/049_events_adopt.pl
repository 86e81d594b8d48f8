# A dump goes to a server whose transaction ids are behind, and from there to one
# whose ids are ahead.  Each subscription gets every event once over all servers:
# those of an open window, those that were set aside, and those of later; also with
# replays, changes of the number of shards and leases under way.
use strict;
use warnings;

use IPC::Run;
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

$deadline = 20;

my $dir = PostgreSQL::Test::Utils::tempdir();
my @subs = qw(shards blocked paused parked batch beginning fetched);

# in this build a window of more than 8 events is walked
sub server
{
	my ($name, $ids) = @_;
	my $node = new_cluster($name, -faults => 1, 'jadugar.max_workers' => 4, shared_buffers => '32MB');

	$node->safe_psql('postgres', qq{DO \$\$ BEGIN FOR i IN 1 .. $ids LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END \$\$});
	return $node;
}

sub publish
{
	my ($node, $n) = @_;

	$node->safe_psql('postgres', "SELECT jadugar.publish('m.a', key => 'k' || i % 3) FROM generate_series(1, $n) i");
	return;
}

sub restore
{
	my ($from, $to, %o) = @_;

	command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", '-d', $from->connstr('postgres') ], 'pg_dump');
	command_ok([ 'pg_restore', '--exit-on-error', '-d', $to->connstr('postgres'), "$dir/dump" ], 'pg_restore');
	is($to->safe_psql('postgres', "SELECT count(*) FROM jadugar.adopt($o{args})"), '0', 'adopt()');
	publish($to, 20);
	return;
}

sub resume
{
	my ($node) = @_;

	$node->safe_psql('postgres', q{
		UPDATE app.fails SET fails = false;
		SELECT jadugar.redrive('blocked'), jadugar.redrive('parked'), jadugar.resume_subscription('paused')});
	return;
}

# A consumer takes a few events of each shard, and leaves its leases open.
sub lease
{
	my ($node) = @_;

	$node->safe_psql('postgres', q{
		SELECT count(*) FROM (SELECT FROM generate_series(1, 3), LATERAL jadugar.fetch_events('fetched', 'gone', max_rows => 3, lease => '12 hours') OFFSET 0) x});
	return $node->safe_psql('postgres', q{SELECT string_agg(concat_ws('.', subscription_id, shard, epoch, lpad(to_hex(secret), 16, '0')), ' ') FROM jadugar_internal.event_cursor WHERE consumer = 'gone'});
}

# A consumer handles all events, some of which fail once.
sub consume
{
	my ($node) = @_;

	$node->safe_psql('postgres', q{CALL app.consume()});
	return;
}

# The subscriptions named have each event of the log once.
my $complete = q{SELECT count(*) = 0 FROM unnest('{%s}'::text[]) s CROSS JOIN jadugar_internal.event e
	WHERE (SELECT count(*) FROM app.handled h WHERE h.sub = s AND h.event_id = e.event_id) <> 1};

sub complete
{
	my ($node, $what, @names) = @_;

	consume($node) if grep { $_ eq 'fetched' } @names;
	ok(poll($node, sprintf($complete, join(',', @names))), $what);
	return;
}

my $a = server('first', 3000);
my $b = server('behind', 1);
my $c = server('ahead', 6000);

create_extension($a);
$a->safe_psql('postgres', q{
	CREATE SCHEMA app;
	CREATE TABLE app.fails AS SELECT true AS fails;
	CREATE TABLE app.handled (sub text, event_id bigint, at bigint GENERATED ALWAYS AS IDENTITY);
	CREATE FUNCTION app.handle(e jadugar.event_info, who text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO app.handled VALUES (who, e.event_id);
		IF who IN ('blocked', 'parked', 'replay_blocked') AND (SELECT f.fails FROM app.fails f) AND e.event_id % 5 = 0 THEN
			RAISE EXCEPTION 'not yet';
		END IF;
	END $$;
	CREATE PROCEDURE app.consume() LANGUAGE plpgsql AS $$
	DECLARE
		lease text;
		ids bigint[];
		attempt int;
	BEGIN
		LOOP
			SELECT max(f.token), array_agg((f.event).event_id), max(f.attempt) INTO lease, ids, attempt FROM jadugar.fetch_events('fetched', 'consumer', max_rows => 4) f;
			COMMIT;
			CONTINUE WHEN lease IS NULL AND EXISTS (SELECT FROM jadugar.dead_letters d WHERE d.subscription = 'fetched' AND d.next_at <= clock_timestamp());
			EXIT WHEN lease IS NULL;
			IF attempt = 1 AND ids[1] % 5 = 0 THEN
				PERFORM jadugar.nack(lease, ids[1], retry_in => '0');
			ELSE
				INSERT INTO app.handled SELECT 'fetched', unnest(ids);
				PERFORM jadugar.ack(lease);
			END IF;
			COMMIT;
		END LOOP;
	END $$;
	CREATE FUNCTION app.handle(e jadugar.event_info[], who text) RETURNS void LANGUAGE sql AS
		$$INSERT INTO app.handled SELECT who, (u).event_id FROM unnest(e) u$$;
	SELECT jadugar.subscribe(name, '{m.*}', format('SELECT app.handle($1, %L)', name), max_attempts => 1,
		shards => CASE name WHEN 'shards' THEN 3 ELSE 1 END, batch => CASE name WHEN 'batch' THEN 5 END,
		on_failure => CASE name WHEN 'blocked' THEN 'block' ELSE 'park_key' END,
		start => CASE name WHEN 'beginning' THEN 'beginning' ELSE 'now' END)
	FROM unnest('{shards, blocked, paused, parked, batch, beginning}'::text[]) name;
	SELECT jadugar.subscribe('fetched', '{m.*}', delivery => 'fetch', shards => 2, max_attempts => 100)});
$a->safe_psql('postgres', q{SELECT jadugar.alter_topic('default', retention => '5 days', max_backlog => 1000000),
	jadugar.alter_topic('jadugar', on_expire => 'detach', reset => '{retention}')});
publish($a, 20);
complete($a, 'the others have all events', qw(shards paused batch beginning fetched));
# a replay that has handled some of its events, and one that has not begun
$a->safe_psql('postgres', q{
	SELECT jadugar.replay('blocked', name, handler => format('SELECT app.handle($1, %L)', name)) FROM unnest('{replay_blocked, replay_paused}'::text[]) name;
	SELECT jadugar.pause_subscription('replay_paused')} =~ s/^/BEGIN; /r . '; COMMIT');
my $replayed = $a->safe_psql('postgres', q{SELECT max(event_id) FROM jadugar.events});
ok(poll($a, q{SELECT status FROM jadugar.subscriptions WHERE name = 'replay_blocked'}, 'blocked'), 'a replay is under way');
ok(poll($a, q{SELECT string_agg(status, ' ' ORDER BY name) FROM jadugar.subscriptions WHERE name = 'blocked' OR dead > 0},
		'blocked active'), 'one is blocked within a window, one has dead letters');
$a->safe_psql('postgres', q{SELECT jadugar.pause_subscription('paused')});
# one transaction is open during the dump, and is not in it
my ($in, $out, $err) = ("BEGIN; SELECT 'id=' || jadugar.publish('m.a');\n", '', '');
my $open = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-d', $a->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err);
ok(poll_sub('published', sub { $open->pump_nb; return $out =~ /id=\d/ }), 'a transaction has published');
publish($a, 20);
complete($a, 'so it is in their positions', qw(shards batch beginning fetched));
publish($a, 20);
my $tokens = lease($a);
# the number of shards changes: the leases hold up one, the pause another
$a->safe_psql('postgres', q{SELECT jadugar.alter_subscription(name, shards => 3) FROM unnest('{fetched, paused}'::text[]) name});
is($a->safe_psql('postgres', q{SELECT string_agg(new_shards::text, ' ') FROM jadugar.subscriptions WHERE name IN ('fetched', 'paused')}), '3 3', 'with leases out, and another number of shards under way');
complete($a, 'the others have all', qw(shards batch beginning));
ok($a->safe_psql('postgres', q{SELECT max(cardinality(base_xip)) > 0 FROM jadugar_internal.event_cursor}) eq 't', 'as not ended');

restore($a, $b, args => '');
$in .= "COMMIT;\n\\q\n";
$open->finish;
cmp_ok(next_xid($b), '<', next_xid($a), 'its transaction ids are behind');
like(psql_error($b, "SELECT jadugar.ack('$_')"), qr/the lease has ended/, 'a token of the first server is void') foreach split(/ /, $tokens);
is($b->safe_psql('postgres', q{SELECT count(new_shards) FROM jadugar.subscriptions}), '0', 'changes of the number of shards are given up');
complete($b, 'those that go on have all events', qw(shards batch beginning fetched));
is($b->safe_psql('postgres', q{SELECT count(*) FROM jadugar.subscriptions WHERE status = 'blocked'}), '2', 'one and a replay still are blocked');
publish($b, 3);
complete($b, 'and get later ones', qw(shards batch beginning fetched));
publish($b, 6);
lease($b);

restore($b, $c, args => '');
is($c->safe_psql('postgres', q{SELECT string_agg(concat_ws(' ', name, retention, keep, roll, max_backlog, on_expire), ', ' ORDER BY name) FROM jadugar.topics}),
	'default 5 days f day 1000000 drop, jadugar f day detach, streams t month drop', 'built-in topics have the options of the dump');
cmp_ok(next_xid($c), '>', next_xid($b), 'its transaction ids are ahead');
complete($c, 'those that go on have all events of three servers', qw(shards batch beginning fetched));
is($c->safe_psql('postgres', q{SELECT string_agg(DISTINCT era::text, ' ' ORDER BY era::text) FROM jadugar_internal.event_cursor}),
	'1 3', 'others are in earlier eras');
resume($c);
$c->safe_psql('postgres', q{SELECT jadugar.redrive('replay_blocked'), jadugar.resume_subscription('replay_paused')});
publish($c, 3);
complete($c, 'all have', @subs);
ok(poll($c, q{SELECT count(*) FROM jadugar.subscriptions WHERE replay AND status = 'done'}, 2), 'the replays are done');
is($c->safe_psql('postgres', qq{SELECT sub, count(*) = (SELECT count(*) FROM jadugar.events WHERE event_id <= $replayed), count(*) = count(DISTINCT event_id), max(event_id) <= $replayed
	FROM app.handled WHERE sub LIKE 'replay%' GROUP BY sub ORDER BY sub}), "replay_blocked|t|t|t\nreplay_paused|t|t|t", 'and have handled the events of the first server once');
$c->safe_psql('postgres', q{SELECT jadugar.unsubscribe(name) FROM jadugar.subscriptions WHERE replay});
is($c->safe_psql('postgres', q{SELECT string_agg(DISTINCT era::text, ' ') FROM jadugar_internal.event_cursor}), '3', 'all are in the last era');
is($c->safe_psql('postgres', q{SELECT count(*) FROM (SELECT h.event_id < lag(h.event_id) OVER (PARTITION BY sub, key ORDER BY at) AS back
		FROM app.handled h JOIN jadugar.events e USING (event_id) WHERE sub <> 'shards') x WHERE back}), '0', 'in the order of their ids');

# pending => 'pause' and 'cancel'
foreach my $pending (qw(pause cancel))
{
	$b->safe_psql('postgres', 'DROP EXTENSION jadugar CASCADE; DROP SCHEMA app CASCADE');
	my $old = $c->safe_psql('postgres', 'SELECT max(event_id) FROM jadugar.events');
	$c->safe_psql('postgres', q{SELECT jadugar.pause_subscription('paused')}) if $pending eq 'cancel';
	publish($c, 2);
	complete($c, 'handled before the dump', qw(shards batch beginning));
	restore($c, $b, args => "pending => '$pending'");
	if ($pending eq 'pause')
	{
		is($b->safe_psql('postgres', q{SELECT DISTINCT status FROM jadugar.subscriptions}), 'paused', 'all are paused');
		$b->safe_psql('postgres', q{SELECT jadugar.resume_subscription(name) FROM jadugar.subscriptions});
		complete($b, 'and go on when resumed', @subs);
	}
	else
	{
		$b->safe_psql('postgres', q{SELECT jadugar.resume_subscription('paused')});
		ok(poll($b, q{SELECT count(*) FROM app.handled WHERE sub = 'paused' AND event_id > } . $old, '20'),
			'only events published after adopt() are handled');
	}
}
$_->stop foreach ($a, $b, $c);
done_testing();
