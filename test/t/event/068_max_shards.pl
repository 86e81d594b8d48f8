# Subscriptions for which the server has no room say so, and go on when there is.
# Consumers outside the server do not need that room, nor the scheduler.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', 'jadugar.max_shards' => 3);
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE TABLE handled (event_id bigint, name text);
	SELECT jadugar.subscribe('first', '{x}', $$INSERT INTO handled VALUES (($1).event_id, 'first')$$, shards => 3);
	SELECT jadugar.publish('x')});
ok(poll($node, q{SELECT sum(behind) || status FROM jadugar.subscriptions GROUP BY status}, '0active'), 'the first has room');

my $acknowledge = q{SELECT jadugar.ack(token) FROM (SELECT token FROM jadugar.fetch_events('third', 'c') LIMIT 1) f};

# A consumer outside the server that sleeps is woken by an event.
sub event_ends_wait
{
	my ($when) = @_;

	my $consumer = $node->background_psql('postgres');

	$consumer->query_until(qr/waits/, "\\echo waits\nCALL jadugar.wait_events('third', '1 hour');\n");
	poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE query ~ '^CALL jadugar.wait_events' AND wait_event_type = 'Extension'}, 1);
	$node->safe_psql('postgres', q{SELECT jadugar.publish('x')});
	ok(poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE query ~ '^CALL jadugar.wait_events' AND state = 'active'}, 0),
		"an event ends wait_events() $when");
	$consumer->quit;
	$node->safe_psql('postgres', $acknowledge);
	return;
}

my $state = q{SELECT string_agg(concat_ws(' ', name, status, reason), ', ' ORDER BY name) FROM jadugar.subscriptions};
my $health = q{SELECT severity, detail FROM jadugar.health WHERE what = 'max_shards'};
is($node->safe_psql('postgres', $health), 'ok|the server has room for all shards of subscriptions', 'and the server for all');
my $id = $node->safe_psql('postgres', q{
	SELECT jadugar.subscribe('second', '{x}', $$INSERT INTO handled VALUES (($1).event_id, 'second')$$) \g /dev/null
	SELECT jadugar.subscribe('third', '{x}', delivery => 'fetch') \g /dev/null
	SELECT jadugar.publish('x')});
ok(poll($node, $state, 'first active, second waiting no_room, third waiting no_room'), 'the others have none');
is($node->safe_psql('postgres', q{SELECT subscription, shard, status, reason FROM jadugar.subscription_shards WHERE subscription = 'second'}),
	'second|0|waiting|no_room', 'nor has the shard');
is($node->safe_psql('postgres', $health),
	'error|subscriptions with shards that get no events, as jadugar.max_shards is 3: 2, among them "second"', 'health says so');
ok(wait_for_log($node, qr/HINT:  Raise jadugar\.max_shards and restart the server/), 'and so does the log');
is($node->safe_psql('postgres', $acknowledge), '', 'events can be fetched');
is($node->safe_psql('postgres', q{SELECT behind FROM jadugar.subscriptions WHERE name = 'third'}), '0', 'and acknowledged');
is($node->safe_psql('postgres', q{SELECT count(*) FROM handled WHERE name = 'second'}), '0', 'the handler is not called');
event_ends_wait('without room');

$node->safe_psql('postgres', q{SELECT jadugar.pause_subscription('second')});
is($node->safe_psql('postgres', q{SELECT status, reason FROM jadugar.subscriptions WHERE name = 'second'}), 'paused|',
	'a subscription that is paused needs no room');
$node->safe_psql('postgres', q{SELECT jadugar.resume_subscription('second')});

$node->safe_psql('postgres', q{SELECT jadugar.unsubscribe('first')});
ok(poll($node, $state, 'second active, third active'), 'then there is room');
is($node->safe_psql('postgres', "SELECT jadugar.wait_delivered($id, '{second}', '30 s')"), 'handled', 'no event was lost');
is($node->safe_psql('postgres', $health), 'ok|the server has room for all shards of subscriptions', 'health is well');

# No feed of a server that has started with jadugar.enabled off
$node->append_conf('postgresql.conf', 'jadugar.enabled = off');
$node->restart;
$node->safe_psql('postgres', $acknowledge);
event_ends_wait('while work is disabled');

$node->stop;
done_testing();
