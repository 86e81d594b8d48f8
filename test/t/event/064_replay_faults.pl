# A worker that serves a replay fails at each point of its transaction, and the
# server restarts in the middle.  Afterwards the replay has handled each event
# that was there when it began exactly once, in order, and is done.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

$deadline = 20;

my $node = new_cluster('main', -faults => 1, 'jadugar.max_workers' => 4, shared_buffers => '32MB');
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE SCHEMA app;
	CREATE TABLE app.handled (n bigserial, sub text, event_id bigint, key text);
	CREATE FUNCTION app.handle(e jadugar.event_info) RETURNS void LANGUAGE sql AS
		'INSERT INTO app.handled (sub, event_id, key) SELECT subscription, e.event_id, e.key FROM jadugar.current_event()';
	SELECT jadugar.subscribe('origin', '{m}', 'SELECT app.handle($1)', enabled => false);
	SELECT count(*) FROM jadugar.publish_batch('m', array_fill('{}'::jsonb, ARRAY[300]), keys => ARRAY(SELECT 'k' || i % 5 FROM generate_series(1, 300) i))});

# Begins a replay, and events that it does not get.
sub begin_replay
{
	my ($name) = @_;

	# the replay may be handled, and the server killed, before psql has the result
	eval { $node->psql('postgres', qq{SELECT jadugar.replay('origin', '$name', shards => 2)}, stderr => \my $err) };
	eval { $node->psql('postgres', q{SELECT jadugar.publish('m', key => 'k1')}, stderr => \my $err) };
	return $node;
}

# It has handled "events" events once and in order, and is done.
sub prove
{
	my ($name, $events, $what) = @_;

	poll($node, "SELECT status FROM jadugar.subscriptions WHERE name = '$name'", 'done');
	is($node->safe_psql('postgres', qq{
		SELECT count(*), count(DISTINCT event_id), bool_and(in_order) FROM (SELECT event_id, event_id >= max(event_id) OVER (PARTITION BY key ORDER BY n) AS in_order
			FROM app.handled WHERE sub = '$name') h}), "$events|$events|t", "$what: each event was handled once, and in order");
	is($node->safe_psql('postgres', "SELECT handled FROM jadugar.subscriptions WHERE name = '$name'"), $events, "$what: and counted once");
	return;
}

my $n = 0;

foreach my $point (qw(delivery-taken delivery-handled delivery-cursor-written delivery-before-commit delivery-committed))
{
	foreach my $action (qw(kill9 exit error))
	{
		my $name = 'replay_' . ++$n;
		my $offset = log_offset($node);
		my $events = $node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.events WHERE type = 'm'});

		unlink(glob($node->data_dir . '/jadugar_fault.*'));
		$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.fault = '$point:$action'");
		$node->reload;
		begin_replay($name);
		poll_sub("$point:$action is hit", sub { return -e $node->data_dir . '/jadugar_fault.1' });
		wait_for_log($node, qr/all server processes terminated; reinitializing/, $offset) if $action eq 'kill9';
		poll($node, 'SELECT true');
		$node->safe_psql('postgres', 'ALTER SYSTEM RESET jadugar.fault');
		$node->reload;
		prove($name, $events, "$point:$action");
	}
}

# The call that creates it fails: there is nothing, and the next call succeeds.
foreach my $action (qw(kill9 exit error))
{
	my $offset = log_offset($node);
	my $events = $node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.events WHERE type = 'm'});

	unlink(glob($node->data_dir . '/jadugar_fault.*'));
	$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.fault = 'event-subscribed:$action'");
	$node->reload;
	poll_sub("event-subscribed:$action is hit", sub {
		eval { $node->psql('postgres', "SELECT jadugar.replay('origin', 'created_$action')", stderr => \my $err) };
		return -e $node->data_dir . '/jadugar_fault.1';
	});
	wait_for_log($node, qr/all server processes terminated; reinitializing/, $offset) if $action eq 'kill9';
	poll($node, 'SELECT true');
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET jadugar.fault');
	$node->reload;
	poll($node, q{SELECT current_setting('jadugar.fault')}, '');
	is($node->safe_psql('postgres', "SELECT count(*) FROM jadugar.subscriptions WHERE name = 'created_$action'"), '0', "event-subscribed:$action: nothing is left");
	begin_replay("created_$action");
	prove("created_$action", $events, "event-subscribed:$action");
}

# A restart in the middle, and shards that are done stay done.
my $events = $node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.events WHERE type = 'm'});
begin_replay('restarted');
$node->restart;
prove('restarted', $events, 'restart');
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.subscriptions WHERE replay AND status <> 'done'}), '0', 'all replays are done after a restart');

# ------------------------------------------------------- changes meanwhile

# A gate that the handler waits for: the replay is under way until it is opened.
$node->safe_psql('postgres', q{
	CREATE TABLE app.gate (open boolean);
	INSERT INTO app.gate VALUES (false);
	CREATE FUNCTION app.wait(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF NOT (SELECT open FROM app.gate) THEN
			PERFORM jadugar.snooze('0.05 s');
		END IF;
		PERFORM app.handle(e);
	END $$;
	SELECT jadugar.subscribe('slow', '{m}', 'SELECT app.wait($1)', enabled => false, on_failure => 'block');
	SELECT jadugar.replay('slow', 'slow_again');
	SELECT jadugar.replay('slow', 'slow_dropped')});
# unsubscribe() while it runs, also of the subscription that is replayed
poll($node, q{SELECT count(*) FROM jadugar.subscription_shards WHERE subscription = 'slow_dropped' AND blocked_id IS NOT NULL}, 1);
is($node->safe_psql('postgres', q{SELECT jadugar.unsubscribe('slow_dropped'), jadugar.unsubscribe('slow')}), 't|t', 'a replay can be dropped while it runs, and so can its origin');
$node->safe_psql('postgres', q{UPDATE app.gate SET open = true});
prove('slow_again', $node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.events WHERE type = 'm'}), 'without its origin');

# replay of a replay, by a role that is dropped while it runs
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	SELECT jadugar.grant_access('app');
	GRANT USAGE ON SCHEMA app TO app;
	GRANT ALL ON ALL TABLES IN SCHEMA app TO app;
	GRANT ALL ON ALL SEQUENCES IN SCHEMA app TO app;
	UPDATE app.gate SET open = false;
	SET ROLE app;
	SELECT count(*) FROM jadugar.publish_batch('o', array_fill('{}'::jsonb, ARRAY[10]));
	SELECT jadugar.subscribe('origin', '{o}', 'SELECT app.wait($1)', enabled => false);
	SELECT jadugar.replay('origin', 'again', until_id => (SELECT min(event_id) + 4 FROM jadugar.events WHERE type = 'o'));
	SELECT jadugar.replay('again', 'again_again')});
poll($node, q{SELECT count(*) > 0 FROM jadugar.dead_letters WHERE subscription = 'again_again'});
$node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.reassign_owned('app', 'postgres', kinds => '{subscriptions}')});
is($node->safe_psql('postgres', q{SELECT string_agg(name, ' ' ORDER BY name) FROM jadugar.subscriptions WHERE owner = 'app'}), 'origin', 'subscriptions of names that are free get the new owner');
$node->safe_psql('postgres', q{UPDATE app.gate SET open = true});
poll($node, q{SELECT string_agg(status, ' ') FROM jadugar.subscriptions WHERE name LIKE 'again%'}, 'done done');
is($node->safe_psql('postgres', q{SELECT string_agg(n::text, ' ' ORDER BY sub) FROM (SELECT sub, count(*) AS n FROM app.handled WHERE sub LIKE 'again%' GROUP BY sub) x}), '5 10', 'a replay of a replay has an end of its own');

# redrive() says which event stands in front
$node->safe_psql('postgres', q{
	SELECT jadugar.subscribe('fails', '{f}', 'SELECT 1 / 0', max_attempts => 1);
	SELECT jadugar.publish('f', key => 'k') FROM generate_series(1, 3)});
poll($node, q{SELECT count(*) FROM jadugar.dead_letters WHERE subscription = 'fails'}, 3);
{
	my ($front, $held) = split(/\|/, $node->safe_psql('postgres', q{SELECT min(event_id), max(event_id) FROM jadugar.dead_letters WHERE subscription = 'fails'}));
	my $said = '';

	$node->psql('postgres', "SELECT jadugar.redrive('fails', ARRAY[$held])", stderr => \$said);
	like($said, qr/NOTICE:  event $held is held behind event $front\nDETAIL:  Event $front has the same key and is dead. The number of events that are held is 1/, 'redrive() of a held event names the one in front');
	$node->psql('postgres', "SELECT jadugar.redrive('fails', ARRAY[$front, $held])", stderr => \$said);
	is($said, '', 'and says nothing if that is named, too');
}

done_testing();
