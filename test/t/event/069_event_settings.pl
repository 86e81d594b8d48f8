# Settings of the event log at small values: what publishers, views and health show at
# the limit and beyond it.  jadugar.max_shards is in 068_max_shards.pl.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', 'jadugar.max_parked' => 2, 'jadugar.max_event_size' => '1kB', 'jadugar.event_max_hops' => 3,
	'jadugar.event_dedup_window' => '1min', 'jadugar.event_max_hold' => 0);
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE TABLE handled (event_id bigint, name text);
	CREATE TABLE mended (at timestamptz);
	-- data with n bytes, as jsonb
	CREATE FUNCTION data_of(n integer) RETURNS jsonb LANGUAGE sql AS $$
		SELECT d FROM generate_series(n - 100, n) i, LATERAL jsonb_build_object('x', repeat('x', i)) d WHERE pg_column_size(d) = n $$;
	CREATE TABLE changed (id integer PRIMARY KEY, x text);
	CREATE TRIGGER t AFTER INSERT OR UPDATE ON changed FOR EACH ROW EXECUTE FUNCTION jadugar.publish_change('changed', 'id');
});

# --- max_event_size -------------------------------------------------------------

my $too_large = qr/JD\d+.*data of an event is too large.*It has 102[58] bytes\. The maximum is 1024 bytes\..*jadugar\.max_event_size/s;

# the whole error, with its SQLSTATE
sub error_of
{
	my ($sql) = @_;

	return psql_error($node, "\\set VERBOSITY verbose\n$sql");
}

is($node->safe_psql('postgres', q{SELECT jadugar.publish('size.one', data_of(1024)) > 0}), 't', 'publish() takes data of the maximum size');
like(error_of(q{SELECT jadugar.publish('size.one', data_of(1025))}), $too_large, 'and none that is a byte larger');
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.publish_batch('size.batch', ARRAY[data_of(1024), '{}'])}), 2, 'nor does publish_batch()');
like(error_of(q{SELECT jadugar.publish_batch('size.batch', ARRAY['{}', data_of(1025)])}), $too_large, 'which then publishes none');
is($node->safe_psql('postgres', q{SELECT type, count(*), max(pg_column_size(data)) FROM jadugar.events WHERE type ~ '^size' GROUP BY 1 ORDER BY 1}),
	"size.batch|2|1024\nsize.one|1|1024", 'the log has what was accepted');

# a row whose event has the maximum size
my $most = $node->safe_psql('postgres', q{
	INSERT INTO changed VALUES (1, '');
	SELECT 1024 - pg_column_size(data) FROM jadugar.events WHERE type = 'changed.inserted'});
my $error = '';
# the number in the data is aligned
for (my $n = $most - 3; !$error && $n < $most + 8; $n++)
{
	$error = error_of("INSERT INTO changed VALUES (2, repeat('x', $n)); DELETE FROM changed WHERE id = 2");
}
like($error, $too_large, 'a change whose event is too large fails');
is($node->safe_psql('postgres', q{SELECT count(*) FROM changed}), 1, 'and its row is not there');
is($node->safe_psql('postgres', q{SELECT max(pg_column_size(data)) FROM jadugar.events WHERE type = 'changed.inserted'}), 1024,
	'one of the maximum size does not fail');

$node->safe_psql('postgres', q{
	SELECT jadugar.subscribe('large', '{size.go}', $$SELECT jadugar.publish('size.of_handler', public.data_of((($1).data->>'n')::integer))$$, max_attempts => 1);
	SELECT jadugar.publish('size.go', '{"n": 1024}'); SELECT jadugar.publish('size.go', '{"n": 1025}')});
ok(poll($node, q{SELECT handled, dead, status FROM jadugar.subscriptions WHERE name = 'large'}, '1|1|active'), 'so it is in a handler');
is($node->safe_psql('postgres', q{SELECT error_code, errors->0->>'message' FROM jadugar.dead_letters WHERE subscription = 'large'}),
	'VALIDATION_ERROR|data of an event is too large', 'whose event is dead');

# --- event_max_hops -------------------------------------------------------------

foreach my $delivery ('inline', 'task')
{
	$node->safe_psql('postgres', qq{
		SELECT jadugar.subscribe('ping $delivery', '{ping.$delivery}', 'SELECT jadugar.publish(''pong.$delivery'')', delivery => '$delivery', max_attempts => 1);
		SELECT jadugar.subscribe('pong $delivery', '{pong.$delivery}', 'SELECT jadugar.publish(''ping.$delivery'')', delivery => '$delivery', max_attempts => 1);
		SELECT jadugar.publish('ping.$delivery')});
}
my $loop = 'VALIDATION_ERROR|too many events have followed from one another|Event type "ping.%s" would be published with 4 hops. The maximum is 3.';
my $errors = q{SELECT error_code, e->>'message', e->>'detail' FROM };
ok(poll($node, $errors . q{(SELECT *, errors->0 AS e FROM jadugar.dead_letters WHERE subscription ~ 'inline') d}, sprintf($loop, 'inline')),
	'two subscriptions that publish for one another end with a dead letter');
ok(poll($node, $errors . q{(SELECT *, error AS e FROM jadugar.history WHERE status = 'failed' AND metadata->>'subscription' ~ 'task') h}, sprintf($loop, 'task')),
	'and with tasks, with a task that has failed');
is($node->safe_psql('postgres', q{SELECT type, string_agg(hops::text, ',' ORDER BY hops) FROM jadugar.events WHERE type ~ '^p.ng' GROUP BY 1 ORDER BY 1}),
	"ping.inline|0,2\nping.task|0,2\npong.inline|1,3\npong.task|1,3", 'the events up to there have been published');

# --- max_parked -----------------------------------------------------------------

$node->safe_psql('postgres', q{
	SELECT jadugar.subscribe('failing', '{f}', $$INSERT INTO handled SELECT ($1).event_id, 'failing' WHERE 1 / (SELECT count(*) FROM mended) = 1$$,
		on_failure => 'park', max_attempts => 1);
	SELECT jadugar.publish('f') FROM generate_series(1, 4)});
ok(poll($node, q{SELECT status, reason, parked, dead, handled, behind FROM jadugar.subscriptions WHERE name = 'failing'}, 'waiting|backoff|2|2|0|2'),
	'a shard that has set aside the maximum waits');
is($node->safe_psql('postgres', q{SELECT status, reason, retry_at BETWEEN now() AND now() + '5 s' FROM jadugar.subscription_shards WHERE subscription = 'failing'}),
	'waiting|backoff|t', 'for five seconds');
is($node->safe_psql('postgres', q{SELECT severity, detail FROM jadugar.health WHERE what = 'dead_letters'}),
	'warning|events that are dead letters: 4', 'health counts the dead letters');
$node->safe_psql('postgres', q{INSERT INTO mended VALUES (now())});
is($node->safe_psql('postgres', q{SELECT jadugar.discard_events('failing')}), 2, 'those can be given up');
ok(poll($node, q{SELECT status, parked, handled, behind FROM jadugar.subscriptions WHERE name = 'failing'}, 'active|0|2|0'), 'and the others follow');

# events that are held count, and consumers get nothing before the wait ends
$node->safe_psql('postgres', q{
	SELECT jadugar.subscribe('keyed', '{k}', $$SELECT 1 / (($1).data->>'n')::integer$$, max_attempts => 1),
		jadugar.subscribe('fetched', '{k}', delivery => 'fetch', max_attempts => 1, on_failure => 'park');
	SELECT jadugar.publish('k', jsonb_build_object('n', n), key => 'k') FROM generate_series(0, 3) n});
ok(poll($node, q{SELECT status, reason, parked, dead, behind FROM jadugar.subscriptions WHERE name = 'keyed'}, 'waiting|backoff|2|1|2'),
	'a shard waits likewise with one that is dead and one that is held');
foreach my $n (1, 2)
{
	$node->safe_psql('postgres', q{SELECT jadugar.nack(token, (event).event_id, 'refused') FROM jadugar.fetch_events('fetched', 'c', max_rows => 1)});
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.fetch_events('fetched', 'c')}), 0, 'a consumer that has refused two events gets none');
is($node->safe_psql('postgres', q{SELECT status, reason, parked, dead, behind FROM jadugar.subscriptions WHERE name = 'fetched'}), 'waiting|backoff|2|2|2',
	'the view says why');
$node->safe_psql('postgres', q{SELECT jadugar.discard_events('keyed'), jadugar.discard_events('fetched')});
ok(poll($node, q{SELECT status, parked, handled, behind FROM jadugar.subscriptions WHERE name = 'keyed'}, 'active|0|2|0'), 'the first goes on');
ok(poll($node, q{SELECT count(*) FROM jadugar.fetch_events('fetched', 'c')}, 2), 'and so does the consumer');

# --- event_max_hold -------------------------------------------------------------

$node->safe_psql('postgres', q{
	SELECT jadugar.create_topic('small', max_backlog => 2);
	SELECT jadugar.subscribe('slow', '{s}', 'SELECT 1', topics => '{small}');
	SELECT jadugar.pause_subscription('slow')});
is($node->safe_psql('postgres', q{SELECT max_hold IS NULL FROM jadugar.topics WHERE name = 'small'}), 't', 'a topic without max_hold');
$node->safe_psql('postgres', q{SELECT jadugar.publish('s', topic => 'small') FROM generate_series(1, 3)});
ok(poll($node, q{SELECT status, reason FROM jadugar.subscriptions WHERE name = 'slow'}, 'lost|events_dropped'), 'is held for no longer than the setting says');
like($node->safe_psql('postgres', q{SELECT severity, detail FROM jadugar.health WHERE what = 'lost_subscriptions'}), qr/^error\|.*"slow"/, 'health says so');
is($node->safe_psql('postgres', q{SELECT jadugar.publish('s', topic => 'small') > 0}), 't', 'publishers go on');

# --- event_dedup_window ---------------------------------------------------------

# Changes a setting, and waits until sessions begin with it.
sub change
{
	my ($setting, $value) = @_;

	$node->append_conf('postgresql.conf', "$setting = '$value'");
	$node->reload;
	poll($node, "SHOW $setting", $value);
	return;
}

sub publish_message { return $node->safe_psql('postgres', q{SELECT jadugar.publish('message', message_id => 'm')}); }

my $first = publish_message();
is(publish_message(), $first, 'a message_id names the same event within the window');
change('jadugar.clock_offset', '50s');
is(publish_message(), $first, 'up to its end');
change('jadugar.clock_offset', '70s');
my $second = publish_message();
cmp_ok($second, '>', $first, 'and another event after that');
is(publish_message(), $second, 'from which the window counts');
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.events WHERE type = 'message'}), 2, 'two events have been published');
change('jadugar.event_dedup_window', '0');
is($node->safe_psql('postgres', q{SELECT count(DISTINCT jadugar.publish('message', message_id => 'none')) FROM generate_series(1, 3)}), 3,
	'without a window, each one is an event of its own');

$node->stop;
done_testing();
