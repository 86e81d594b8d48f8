# Partitions past their retention: they stay for subscriptions that need them, for a
# while; then the subscriptions are lost.  Events that were set aside outlive them.
# Archived partitions are tables of the topic's owner.  And full topics.
use strict;
use warnings;

use JadugarTest;
use Kill;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', -faults => 1, log_min_messages => 'warning', include_if_exists => 'torture.conf',
	max_prepared_transactions => 2);
my %t = (node => $node, offset => 86400 - time() % 86400 + 3900, changed => {});

$deadline = 20;
change(\%t, 'jadugar.clock_offset' => $t{offset});
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	SELECT jadugar.grant_access('app');
	CREATE SCHEMA app AUTHORIZATION app;
	CREATE TABLE app.fails AS SELECT true AS fails;
	CREATE TABLE app.handled (sub text, event_id bigint, data jsonb, headers jsonb, published_at timestamptz, publisher name, topic text);
	GRANT ALL ON ALL TABLES IN SCHEMA app TO app;
	CREATE FUNCTION app.handle(e jadugar.event_info, sub text) RETURNS void LANGUAGE sql AS $$
		INSERT INTO app.handled VALUES (sub, e.event_id, e.data, e.headers, e.published_at, e.publisher, e.topic) $$;
	CREATE FUNCTION app.fail(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM 1 / (SELECT count(*) FROM app.fails WHERE NOT fails);
		PERFORM app.handle(e, 'parked');
	END $$;
	SELECT jadugar.create_topic('held', roll => 'hour', retention => '2 hours', max_hold => '10 hours', owner => 'app');
	SELECT jadugar.create_topic('kept', roll => 'hour', retention => '2 hours', max_hold => '0', on_expire => 'detach', owner => 'app');
	SELECT jadugar.create_topic('limited', max_backlog => 5, owner => 'app')});

sub as_app
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', "SET SESSION AUTHORIZATION app;\n$sql");
}

# Waits; the scheduler does its hourly duties at every reload.
sub upkeep_until
{
	my ($query, $name) = @_;

	return poll_sub($name, sub { change(\%t); return ($node->psql('postgres', $query))[1] eq 't'; });
}

sub hours_pass
{
	my ($hours) = @_;

	change(\%t, 'jadugar.clock_offset' => $t{offset} += $hours * 3600);
	return;
}

# the partition of the last event of a type
sub leaf_of
{
	my ($type) = @_;

	return $node->safe_psql('postgres', "SELECT leaf FROM jadugar_internal.event WHERE type = '$type' ORDER BY event_id DESC LIMIT 1");
}

sub gone
{
	my ($leaf) = @_;

	return upkeep_until("SELECT count(*) = 0 FROM jadugar_internal.event_leaf WHERE leaf = $leaf", "partition $leaf is gone");
}

# The topic has another partition, and the one before is sealed.
sub rolled
{
	my ($leaf) = @_;

	return upkeep_until("SELECT sealed_at IS NOT NULL FROM jadugar_internal.event_leaf WHERE leaf = $leaf", "partition $leaf is sealed");
}

# --- held, then lost ------------------------------------------------------------

as_app(q{
	SELECT jadugar.subscribe('paused', '{a}', $$SELECT app.handle($1, 'paused')$$, topics => '{held}');
	SELECT jadugar.subscribe('other', '{b}', $$SELECT app.handle($1, 'other')$$, topics => '{held}');
	SELECT jadugar.pause_subscription('paused'), jadugar.pause_subscription('other');
	SELECT jadugar.publish('a', topic => 'held')});
my $leaf = leaf_of('a');
hours_pass(1);
rolled($leaf);
is($node->safe_psql('postgres', q{SELECT behind, lag > '0' FROM jadugar.subscriptions WHERE name = 'paused'}), '1|t', 'the subscription is behind');
is($node->safe_psql('postgres', q{SELECT behind, lag FROM jadugar.subscriptions WHERE name = 'other'}), '0|00:00:00', 'another one is not');
hours_pass(5);
change(\%t) foreach 1 .. 3;
is($node->safe_psql('postgres', "SELECT count(*) FROM jadugar_internal.event_leaf WHERE leaf = $leaf"), 1, 'a partition past its retention stays for it');
as_app(q{SELECT jadugar.resume_subscription('paused')});
ok(poll($node, q{SELECT count(*) FROM app.handled WHERE sub = 'paused'}, 1), 'it has handled the event');
hours_pass(1);
ok(gone($leaf), 'the partition goes when nobody needs it');

as_app(q{
	SELECT jadugar.pause_subscription('paused');
	SELECT jadugar.publish('a', topic => 'held');
	BEGIN;
	SELECT jadugar.replay('paused', 'replayed');
	SELECT jadugar.pause_subscription('replayed');
	COMMIT});
$leaf = leaf_of('a');
hours_pass(1);
rolled($leaf);
as_app(q{SELECT jadugar.publish('a', '{"second": 1}', topic => 'held')});
hours_pass(13);
ok(gone($leaf), 'after max_hold it goes anyway');
is($node->safe_psql('postgres', q{SELECT name, status FROM jadugar.subscriptions WHERE name IN ('paused', 'other') ORDER BY name}),
	"other|paused\npaused|lost", 'the subscription that needed it is lost');
is($node->safe_psql('postgres', q{SELECT status, reason FROM jadugar.subscriptions WHERE name = 'replayed'}), 'lost|events_dropped', 'and so is a replay of it');
as_app(q{
	SELECT jadugar.resume_subscription('replayed', lost => 'skip');
	UPDATE app.handled SET sub = 'before'});
ok(poll($node, q{SELECT status, handled FROM jadugar.subscriptions WHERE name = 'replayed'}, 'done|0'), 'which ends with the events that are left');
as_app(q{SELECT jadugar.unsubscribe('replayed'); UPDATE app.handled SET sub = 'paused'});
is($node->safe_psql('postgres', q{SELECT status, lost_at IS NOT NULL FROM jadugar.subscription_shards WHERE subscription = 'paused'}), 'lost|t', 'and its shard');
like($node->safe_psql('postgres', q{SELECT severity, detail FROM jadugar.health WHERE what = 'lost_subscriptions'}), qr/^error\|.*"paused"/, 'health says so');
like(psql_error($node, q{SELECT jadugar.resume_subscription('paused', owner => 'app')}), qr/subscription "paused" has lost its position/, 'it cannot be resumed');
as_app(q{SELECT jadugar.publish('a', '{"third": 1}', topic => 'held')});
is($node->safe_psql('postgres', q{SELECT count(*) FROM app.handled WHERE sub = 'paused'}), 1, 'it handles nothing');
as_app(q{SELECT jadugar.resume_subscription('paused', lost => 'skip')});
poll($node, q{SELECT behind FROM jadugar.subscriptions WHERE name = 'paused'}, 0);
like($node->safe_psql('postgres', q{SELECT string_agg(data::text, ' ' ORDER BY event_id) FROM app.handled WHERE sub = 'paused'}), qr/third/, 'it goes on with what is there');
is($node->safe_psql('postgres', q{SELECT status FROM jadugar.subscriptions WHERE name = 'paused'}), 'active', 'and is active');

# many events of a partition that a subscription does not want are no reason to
# keep it, or to say that the subscription is lost
as_app(q{
	SELECT jadugar.create_topic('many', roll => 'hour', retention => '2 hours', max_hold => '0');
	SELECT jadugar.subscribe('rare', '{rare}', $$SELECT app.handle($1, 'rare')$$, topics => '{many}', shards => 3);
	SELECT jadugar.pause_subscription('rare');
	SELECT count(*) FROM jadugar.publish_batch('frequent', array_fill('{}'::jsonb, ARRAY[110000]), topic => 'many')});
$leaf = leaf_of('frequent');
hours_pass(1);
ok(rolled($leaf), 'a partition with many events is sealed');
hours_pass(3);
ok(gone($leaf), 'and goes');
is($node->safe_psql('postgres', q{SELECT status FROM jadugar.subscriptions WHERE name = 'rare'}), 'paused', 'a subscription that wants none of them is not lost');
as_app(q{SELECT jadugar.publish(CASE n WHEN 60000 THEN 'rare' ELSE 'frequent' END, key => n::text, topic => 'many') FROM generate_series(1, 70000) n});
$leaf = leaf_of('frequent');
hours_pass(1);
ok(rolled($leaf), 'another one is sealed');
hours_pass(3);
ok(gone($leaf), 'and goes');
is($node->safe_psql('postgres', q{SELECT string_agg(status, ' ' ORDER BY status) FROM jadugar.subscription_shards WHERE subscription = 'rare'}),
	'lost paused paused', 'only the shard is lost that wants one of them');
as_app(q{SELECT jadugar.unsubscribe('rare')});

# a prepared transaction that has published in a topic that was dropped holds up
# that partition, and no other
as_app(q{
	SELECT jadugar.create_topic('brief');
	BEGIN;
	SELECT jadugar.publish('brief', topic => 'brief');
	PREPARE TRANSACTION 'brief'});
my $brief = $node->safe_psql('postgres', q{SELECT leaf FROM jadugar_internal.topic WHERE name = 'brief'});
as_app(q{
	SELECT jadugar.drop_topic('brief', events => 'drop');
	SELECT jadugar.publish('after', topic => 'many')});
$leaf = leaf_of('after');
hours_pass(1);
rolled($leaf);
hours_pass(3);
ok(gone($leaf), 'another partition goes');
is($node->safe_psql('postgres', "SELECT dropping FROM jadugar_internal.event_leaf WHERE leaf = $brief"), 'f', 'that one does not');
$node->safe_psql('postgres', q{COMMIT PREPARED 'brief'});
hours_pass(1);
ok(gone($brief), 'until the transaction has ended');

# --- partitions with many events ------------------------------------------------

# as if the last event of a type were in a partition with so many
sub estimated
{
	my ($type, $events) = @_;
	my $leaf = leaf_of($type);

	$node->safe_psql('postgres', "UPDATE pg_class SET reltuples = $events WHERE oid = 'jadugar_internal.event_$leaf'::regclass");
	return $leaf;
}

as_app(q{
	SELECT jadugar.create_topic(t, retention => '2 hours', on_expire => 'detach') FROM unnest('{large, below, other}'::text[]) t;
	SELECT jadugar.publish(t, topic => t) FROM unnest('{large, below, other}'::text[]) t});
my $below = estimated('below', 99_900_000);
my $large = estimated('large', 100_000_000);
ok(rolled($large), 'a partition with many events is sealed before its day ends');
as_app(q{SELECT jadugar.publish('large', topic => 'large')});
my $second = leaf_of('large');
isnt($second, $large, 'the next event is in another one');
ok(rolled(estimated('other', 200_000_000)), 'another topic does the same');
as_app(q{SELECT jadugar.publish(t, topic => t) FROM unnest('{large, below}'::text[]) t});
is(leaf_of('large'), $second, 'the first one does not do it again');
is(leaf_of('below'), $below, 'a partition with fewer events goes on');
is($node->safe_psql('postgres', q{SELECT partitions FROM jadugar.topics WHERE name = 'large'}), 2, 'the topic has two partitions of this day');
is(as_app(q{SELECT count(*) FROM jadugar.read_events(topics => '{large}')}), 3, 'and all its events');
hours_pass(3);
ok(gone($large), 'the first of them goes, at its time');
is(as_app(q{SELECT count(*) FROM jadugar.read_events(topics => '{large}')}), 2, 'the events of the second one stay');
hours_pass(24);
ok(rolled($second), 'the next day, the second one is sealed');
hours_pass(3);
ok(gone($second), 'and goes');
is(as_app("SELECT (SELECT count(*) FROM jadugar_archive.event_$large), count(*) FROM jadugar_archive.event_$second"), '1|2', 'both are in the archive');

# how far a subscription is behind takes a bounded look, also at the events of an
# open transaction
as_app(q{
	SELECT jadugar.subscribe('rare', '{rare}', $$SELECT app.handle($1, 'rare')$$, topics => '{many}');
	SELECT jadugar.pause_subscription('rare');
	BEGIN;
	SELECT count(*) FROM jadugar.publish_batch('frequent', array_fill('{}'::jsonb, ARRAY[200001]), topic => 'many');
	PREPARE TRANSACTION 'large'});
as_app(q{SELECT jadugar.publish('rare', topic => 'many')});
my $behind = q{SELECT behind IS NULL, lag IS NULL FROM jadugar.subscriptions WHERE name = 'rare'};
is($node->safe_psql('postgres', $behind), 't|t', 'behind many events that are not for it, lag is not known');
$node->safe_psql('postgres', q{COMMIT PREPARED 'large'});
is($node->safe_psql('postgres', $behind), 't|t', 'nor when these are committed');
as_app(q{SELECT jadugar.resume_subscription('rare')});
ok(poll($node, q{SELECT behind FROM jadugar.subscriptions WHERE name = 'rare'}, 0), 'the subscription goes on');
as_app(q{SELECT jadugar.unsubscribe('rare')});

# --- runs that wait --------------------------------------------------------------

as_app(q{
	SELECT jadugar.start_flow(jadugar.wait_event('never', name => 'w'), idempotency_key => 'never');
	SELECT jadugar.publish('a', topic => 'held')});
$leaf = leaf_of('a');
hours_pass(1);
rolled($leaf);
# the position as if nothing had been read since
$node->safe_psql('postgres', q{UPDATE jadugar_internal.event_cursor SET base_xmax = '3', base_xip = '{}' WHERE subscription_id = 0});
hours_pass(5);
ok(poll($node, q{SELECT base_xmax > '3' FROM jadugar_internal.event_cursor WHERE subscription_id = 0}, 't'), 'the scheduler writes the position of flows hourly');
is($node->safe_psql('postgres', "SELECT count(*) FROM jadugar_internal.event_leaf WHERE leaf = $leaf"), 1, 'a partition stays for runs that wait');
ok(gone($leaf), 'and goes when its events have been read');
as_app(q{SELECT jadugar.abort_flow(run_id) FROM jadugar.flow_runs WHERE finished_at IS NULL});
ok(poll($node, q{SELECT count(*) FROM jadugar_internal.event_cursor WHERE subscription_id = 0}, 0), 'nothing waits any more');

# --- set aside, archived --------------------------------------------------------

as_app(q{
	SELECT jadugar.subscribe('parked', '{p}', 'SELECT app.fail($1)', topics => '{kept}', max_attempts => 1);
	SELECT jadugar.publish('p', '{"x": [1, "ü", null]}', 'k', '{"h": "v"}', topic => 'kept'),
		jadugar.publish('p', '{"behind": true}', 'k', topic => 'kept')});
poll($node, q{SELECT string_agg(state, ' ' ORDER BY event_id) FROM jadugar.dead_letters}, 'dead held');
my $event = $node->safe_psql('postgres', q{SELECT event_id, data, headers, published_at, publisher, topic FROM jadugar.events WHERE type = 'p' ORDER BY 1});
$leaf = leaf_of('p');
hours_pass(1);
rolled($leaf);
hours_pass(4);
ok(gone($leaf), 'the partition is detached');
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.events WHERE type = 'p'}), 0, 'its events are not in the log any more');
is(as_app("SELECT count(*), min(data->>'x') FROM jadugar_archive.event_$leaf WHERE type = 'p'"), '2|[1, "ü", null]', 'they are in the archive, for the owner of the topic');
is($node->safe_psql('postgres', qq{SELECT obj_description('jadugar_archive.event_$leaf'::regclass), (SELECT count(*) FROM pg_depend WHERE deptype = 'e' AND objid = 'jadugar_archive.event_$leaf'::regclass)}),
	'Events of topic "kept".|0', 'with a comment, and not as a member of the extension');
$node->safe_psql('postgres', 'CREATE ROLE stranger; SELECT jadugar.grant_access(\'stranger\')');
like(psql_error($node, "SET ROLE stranger; SELECT * FROM jadugar_archive.event_$leaf"), qr/permission denied/, 'others may not read it');
as_app("ALTER TABLE jadugar_archive.event_$leaf RENAME COLUMN hops TO jumps");
command_ok([ 'pg_dump', '-f', $node->data_dir . '/dump', '-d', $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', q{UPDATE app.fails SET fails = false; SELECT jadugar.redrive('parked', owner => 'app')});
ok(poll($node, q{SELECT count(*) FROM app.handled WHERE sub = 'parked'}, 2), 'events that were set aside are handled afterwards');
is($node->safe_psql('postgres', q{SELECT event_id, data, headers, published_at, publisher, topic FROM app.handled WHERE sub = 'parked' ORDER BY event_id}), $event, 'as they were');

# --- full -----------------------------------------------------------------------

# a subscription of a role that may not read the events counts none of them
$node->safe_psql('postgres', q{
	CREATE ROLE nosy LOGIN;
	SELECT jadugar.grant_access('nosy');
	SET SESSION AUTHORIZATION nosy;
	SELECT jadugar.subscribe('nosy', '{*}', 'SELECT $1', enabled => false)});
as_app(q{
	SELECT jadugar.subscribe('slow', '{f}', $$SELECT app.handle($1, 'slow')$$, topics => '{limited}');
	SELECT jadugar.pause_subscription('slow');
	SELECT jadugar.publish(type, topic => 'limited') FROM (SELECT 'not for it' || n AS type FROM generate_series(1, 20) n) t WHERE false;
	SELECT jadugar.publish('g', topic => 'limited') FROM generate_series(1, 20);
	SELECT jadugar.publish('f', topic => 'limited') FROM generate_series(1, 4)});
is($node->safe_psql('postgres', q{SELECT behind, lag FROM jadugar.subscriptions WHERE name = 'nosy'}), '0|00:00:00', 'events that the owner may not read do not count');
is($node->safe_psql('postgres', q{SELECT behind FROM jadugar.subscriptions WHERE name = 'slow'}), 4, 'events of other types do not count');
as_app(q{SELECT jadugar.publish('f', topic => 'limited')});
ok(poll($node, q{SELECT full_since IS NOT NULL FROM jadugar.topics WHERE name = 'limited'}), 'the topic is full');
like(psql_error($node, q{SELECT jadugar.publish('g', topic => 'limited')}), qr/topic "limited" is full/, 'nobody can publish');
like(psql_error($node, q{SET ROLE nosy; SELECT jadugar.publish('g', topic => 'limited')}), qr/permission denied to publish/, 'a role that may not publish does not learn that');
is(as_app(q{SELECT full_by, full_by_owner FROM jadugar.topics WHERE name = 'limited'}), 'slow|app', 'the owner of the topic sees which subscription it is');
like(as_app(q{SELECT severity, detail FROM jadugar.health WHERE what = 'topic_full'}), qr/^error\|publishing in topic "limited" fails since .*"slow" of role "app", which is paused,/, 'and so does health');
is($node->safe_psql('postgres', q{SET ROLE nosy; SELECT count(*) FROM jadugar.health WHERE what = 'topic_full'}), 0, 'others do not');
as_app(q{SELECT jadugar.resume_subscription('slow')});
ok(poll_sub('published', sub { psql_error($node, q{SELECT jadugar.publish('g', topic => 'limited')}) eq '' }), 'when the subscription is done, publishing goes on');
as_app(q{SELECT jadugar.pause_subscription('slow'); SELECT jadugar.publish('f', topic => 'limited') FROM generate_series(1, 5)});
ok(poll($node, q{SELECT full_since IS NOT NULL FROM jadugar.topics WHERE name = 'limited'}), 'full again');
as_app(q{SELECT jadugar.alter_topic('limited', max_backlog => 50)});
ok(poll($node, q{SELECT full_since IS NULL FROM jadugar.topics WHERE name = 'limited'}), 'a higher limit ends that');
as_app(q{SELECT jadugar.publish('f', topic => 'limited') FROM generate_series(1, 50)});
poll($node, q{SELECT full_since IS NOT NULL FROM jadugar.topics WHERE name = 'limited'});
as_app(q{SELECT jadugar.alter_topic('limited', reset => '{max_backlog}'); SELECT jadugar.publish('f', topic => 'limited')});
pass('no limit, at once');

# to read a topic is no right to stop its publishers; "hold" is
as_app(q{
	SELECT jadugar.unsubscribe('slow');
	SELECT jadugar.create_topic('shared', max_backlog => 5);
	SELECT jadugar.grant_topic('shared', 'nosy');
	SET SESSION AUTHORIZATION nosy;
	SELECT jadugar.unsubscribe('nosy');
	SELECT jadugar.subscribe('reader', '{f}', 'SELECT $1', topics => '{shared}', shards => 2, enabled => false);
	SET SESSION AUTHORIZATION app;
	SELECT jadugar.subscribe('first', '{g}', 'SELECT $1', topics => '{shared}', enabled => false);
	SELECT jadugar.publish('f', key => n::text, topic => 'shared') FROM generate_series(1, 30) n});
ok(poll($node, q{SELECT behind FROM jadugar.subscriptions WHERE name = 'reader'}, 30), 'a reader is behind');
as_app(q{SELECT jadugar.publish('g', topic => 'shared') FROM generate_series(1, 5)});
ok(poll($node, q{SELECT full_by FROM jadugar.topics WHERE name = 'shared'}, 'first'), 'but another one holds the topic');
as_app(q{SELECT jadugar.unsubscribe('first')});
ok(poll($node, q{SELECT full_since IS NULL FROM jadugar.topics WHERE name = 'shared'}), 'not the reader');
as_app(q{SELECT jadugar.grant_topic('shared', 'nosy', 'hold'); SELECT jadugar.publish('g', topic => 'shared')});
ok(poll($node, q{SELECT full_by FROM jadugar.topics WHERE name = 'shared'}, 'reader'), 'with the privilege it does');
is($node->safe_psql('postgres', q{SELECT detail FROM jadugar.audit WHERE function = 'grant_topic' ORDER BY audit_id DESC LIMIT 1}), 'privilege "hold", role "nosy"', 'which the audit trail names');
as_app(q{SELECT jadugar.revoke_topic('shared', 'nosy', 'hold')});
ok(poll($node, q{SELECT full_since IS NULL FROM jadugar.topics WHERE name = 'shared'}), 'until that is revoked');
as_app(q{SELECT jadugar.grant_topic('shared', 'nosy', 'hold'); SELECT jadugar.alter_topic('shared', max_hold => '1 hour')});
ok(poll($node, q{SELECT full_by FROM jadugar.topics WHERE name = 'shared'}, 'reader'), 'full again');
hours_pass(2);
ok(poll($node, q{SELECT status FROM jadugar.subscriptions WHERE name = 'reader'}, 'lost'), 'after max_hold the subscription is lost');
ok(poll($node, q{SELECT full_since IS NULL FROM jadugar.topics WHERE name = 'shared'}), 'and publishing goes on');
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.subscription_shards WHERE subscription = 'reader' AND status = 'lost'}), 2, 'both of its shards had reached the limit');
$node->safe_psql('postgres', q{SET SESSION AUTHORIZATION nosy; SELECT jadugar.alter_subscription('reader', enabled => true), jadugar.resume_subscription('reader', lost => 'skip')});
ok(poll($node, q{SELECT handled FROM jadugar.subscriptions WHERE name = 'reader'}, 30), 'it loses no event that is there');
as_app(q{
	SELECT jadugar.alter_topic('shared', max_hold => '0');
	SET SESSION AUTHORIZATION nosy;
	SELECT jadugar.pause_subscription('reader');
	SET SESSION AUTHORIZATION app;
	SELECT jadugar.publish('f', key => 'k', topic => 'shared') FROM generate_series(1, 5) n});
ok(poll($node, q{SELECT status FROM jadugar.subscriptions WHERE name = 'reader'}, 'lost'), 'with max_hold 0, it is lost at once');
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.subscription_shards WHERE subscription = 'reader' AND status = 'lost'}), 1, 'the shard that had reached the limit');
as_app(q{SELECT jadugar.publish('f', key => 'k', topic => 'shared')});

# a replay does not count
as_app(q{
	SELECT jadugar.create_topic('replayed', max_backlog => 5);
	SELECT jadugar.subscribe('original', '{f}', $$SELECT app.handle($1, 'original')$$, topics => '{replayed}');
	SELECT jadugar.publish('f', topic => 'replayed') FROM generate_series(1, 10)});
poll($node, q{SELECT handled FROM jadugar.subscriptions WHERE name = 'original'}, 10);
poll($node, q{SELECT full_since IS NULL FROM jadugar.topics WHERE name = 'replayed'});
as_app(q{
	BEGIN;
	SELECT jadugar.replay('original', 'again');
	SELECT jadugar.pause_subscription('again');
	COMMIT;
	SELECT jadugar.subscribe('held', '{g}', 'SELECT $1', topics => '{replayed}', enabled => false);
	SELECT jadugar.publish('g', topic => 'replayed') FROM generate_series(1, 5)});
is($node->safe_psql('postgres', q{SELECT behind FROM jadugar.subscriptions WHERE name = 'again'}), 10, 'a replay is behind');
ok(poll($node, q{SELECT full_by FROM jadugar.topics WHERE name = 'replayed'}, 'held'), 'another subscription holds the topic');
as_app(q{SELECT jadugar.unsubscribe('held')});
ok(poll($node, q{SELECT full_since IS NULL FROM jadugar.topics WHERE name = 'replayed'}), 'not the replay');

# --- failures, and crashes --------------------------------------------------------

my $parked = 0;
foreach my $point (qw(event-parked-copied event-leaf-expiring event-leaf-detached event-leaf-dropped))
{
	foreach my $action (qw(kill9 error))
	{
		my $log = log_offset($node);

		$node->safe_psql('postgres', 'UPDATE app.fails SET fails = true');
		as_app(q{SELECT jadugar.publish('p', jsonb_build_object('n', n), topic => 'kept') FROM generate_series(1, 250) n});
		poll($node, q{SELECT count(*) FROM jadugar.dead_letters WHERE state = 'dead'}, 250);
		$leaf = leaf_of('p');
		hours_pass(1);
		rolled($leaf);
		unlink(glob($node->data_dir . '/jadugar_fault.*'));
		poll_sub("$point:$action is hit", sub {
			change(\%t, 'jadugar.fault' => "$point:$action", 'jadugar.clock_offset' => $t{offset} += 3600);
			return -e $node->data_dir . '/jadugar_fault.1';
		});
		wait_for_log($node, qr/all server processes terminated; reinitializing/, $log) if $action eq 'kill9';
		poll($node, 'SELECT true');
		change(\%t, 'jadugar.fault' => undef);
		hours_pass(3);
		gone($leaf);
		is($node->safe_psql('postgres', "SELECT count(*) FROM jadugar_archive.event_$leaf WHERE type = 'p'"), 250, "$point:$action: the partition is archived");
		$node->safe_psql('postgres', q{TRUNCATE app.handled; UPDATE app.fails SET fails = false; SELECT jadugar.redrive('parked', owner => 'app')});
		poll($node, q{SELECT count(*) FROM app.handled WHERE sub = 'parked'}, 250);
		is($node->safe_psql('postgres', q{SELECT count(DISTINCT data), (SELECT count(*) FROM jadugar.dead_letters) FROM app.handled WHERE sub = 'parked'}), '250|0', "$point:$action: what was set aside is handled, once");
	}
}
$node->safe_psql('postgres', 'DROP EXTENSION jadugar CASCADE');
is($node->safe_psql('postgres', "SELECT count(*) FROM jadugar_archive.event_$leaf WHERE type = 'p'"), 250, 'the archive outlives the extension');

# numbers of partitions begin again, so their names may be taken in the archive
create_extension($node);
$node->safe_psql('postgres', q{
	SELECT jadugar.grant_access('app');
	SELECT jadugar.create_topic('kept', roll => 'hour', retention => '2 hours', on_expire => 'detach', owner => 'app')});
as_app(q{SELECT jadugar.publish('again', topic => 'kept')});
$leaf = leaf_of('again');
$node->safe_psql('postgres', qq{
	DROP TABLE IF EXISTS jadugar_archive.event_$leaf, jadugar_archive.event_${leaf}_2, jadugar_archive.event_${leaf}_3;
	CREATE TABLE jadugar_archive.event_$leaf ();
	CREATE INDEX x ON jadugar_internal.event_$leaf (cause);
	CREATE SEQUENCE jadugar_archive.event_${leaf}_2_xid});
hours_pass(1);
rolled($leaf);
hours_pass(3);
ok(gone($leaf), 'the partition goes');
is($node->safe_psql('postgres', "SELECT count(*), min(type) FROM jadugar_archive.event_${leaf}_3"), '1|again', 'and has the next name that is free');
is($node->safe_psql('postgres', "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY 1) FROM pg_index WHERE indrelid = 'jadugar_archive.event_${leaf}_3'::regclass"),
	"jadugar_archive.event_${leaf}_3_pkey jadugar_archive.event_${leaf}_3_xid jadugar_archive.x", 'and so have its indexes');

$node->stop;
done_testing();
