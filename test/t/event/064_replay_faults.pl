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

	$node->safe_psql('postgres', qq{SELECT jadugar.replay('origin', '$name', shards => 2)});
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

# A restart in the middle, and shards that are done stay done.
my $events = $node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.events WHERE type = 'm'});
begin_replay('restarted');
$node->restart;
prove('restarted', $events, 'restart');
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.subscriptions WHERE replay AND status <> 'done'}), '0', 'all replays are done after a restart');

done_testing();
