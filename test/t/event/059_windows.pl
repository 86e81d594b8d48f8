# Windows of the event log that are kept between transactions of a worker: rows of
# the log that move, and the memory of events that are passed over.  Then many
# events that were set aside.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', autovacuum => 'off');
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE SCHEMA app;
	CREATE SEQUENCE app.turn;
	CREATE TABLE app.handled (n int, peak bigint, turn bigint DEFAULT nextval('app.turn'));
	CREATE FUNCTION app.wait(e jadugar.event_info) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock(77);
		INSERT INTO app.handled VALUES ((e.data->>'n')::int, 0);
	END $$;
	CREATE FUNCTION app.measure(e jadugar.event_info) RETURNS void BEGIN ATOMIC
		INSERT INTO app.handled VALUES (((e).data->>'n')::int,
			substring(pg_read_file('/proc/self/status') FROM 'VmPeak:\s+(\d+)')::bigint / 1024);
	END});

# --- VACUUM FULL between two transactions of a worker ---------------------------

$node->safe_psql('postgres', q{
	SELECT jadugar.create_topic('moved');
	SELECT jadugar.subscribe('moved', '{moved}', 'SELECT app.wait($1)')});
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(77)');
# rows that the rewritten table does not have
$node->safe_psql('postgres', q{
	BEGIN;
	SELECT count(jadugar.publish('moved', jsonb_build_object('n', n), topic => 'moved')) FROM generate_series(1, 5) n;
	ROLLBACK});
$node->safe_psql('postgres', q{
	SELECT count(jadugar.publish('moved', jsonb_build_object('n', n), topic => 'moved')) FROM generate_series(1, 10) n});
ok(poll($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted}, 1),
	'the handler of the first event waits');
my $leaf = $node->safe_psql('postgres', q{SELECT 'jadugar_internal.event_' || leaf FROM jadugar_internal.topic WHERE name = 'moved'});
my $vacuum = $node->background_psql('postgres');
$vacuum->query_until(qr/begins/, "\\echo begins\nVACUUM FULL $leaf;\n");
ok(poll($node, qq{SELECT count(*) FROM pg_locks WHERE relation = '$leaf'::regclass AND NOT granted}, 1),
	'VACUUM FULL waits for the worker');
$holder->quit;
$vacuum->quit;
ok(poll($node, q{SELECT sum(handled) FROM jadugar.subscriptions WHERE name = 'moved'}, 10), 'all events are handled');
is($node->safe_psql('postgres', q{SELECT string_agg(n::text, ' ' ORDER BY turn) FROM app.handled WHERE peak = 0}),
	join(' ', 1 .. 10), 'each once, in order');
$node->safe_psql('postgres', q{SELECT jadugar.unsubscribe('moved')});

# --- many dead events that are tried again --------------------------------------

$node->safe_psql('postgres', q{
	CREATE TABLE app.fails AS SELECT true AS fails;
	SELECT jadugar.subscribe('parked', '{parked}', 'SELECT 1 / (SELECT count(*) FROM app.fails WHERE NOT fails)',
		on_failure => 'park', max_attempts => 1);
	SELECT count(jadugar.publish('parked')) FROM generate_series(1, 2000)});
ok(poll($node, q{SELECT dead FROM jadugar.subscriptions WHERE name = 'parked'}, 2000), 'all events are dead');
my $reads = q{SELECT sum(idx_tup_read) FROM pg_stat_all_indexes WHERE schemaname = 'jadugar_internal' AND relname = 'parked'};
my $before = $node->safe_psql('postgres', $reads);
$node->safe_psql('postgres', q{
	UPDATE app.fails SET fails = false;
	SELECT jadugar.redrive('parked')});
ok(poll($node, q{SELECT handled FROM jadugar.subscriptions WHERE name = 'parked'}, 2000), 'all are handled');
my $read = $node->safe_psql('postgres', $reads);
cmp_ok($read - $before, '<', 100 * 2000, "entries of indexes read for that: @{[$read - $before]}");
$node->safe_psql('postgres', q{SELECT jadugar.unsubscribe('parked')});

# --- a rare type among many events ----------------------------------------------

$node->safe_psql('postgres', q{
	SELECT jadugar.create_topic('crowd');
	SELECT jadugar.subscribe('rare', '{rare}', 'SELECT 1', topics => '{crowd}');
	SELECT count(*) FROM jadugar.publish_batch('other', array_fill('{}'::jsonb, '{15000}'), topic => 'crowd')});
ok(poll($node, q{SELECT base_xmax > (SELECT max(xid) FROM jadugar_internal.event WHERE type = 'other')
	FROM jadugar_internal.event_cursor JOIN jadugar_internal.subscription USING (subscription_id) WHERE name = 'rare'}, 't'),
	'its position passes over them before its next event');
$node->safe_psql('postgres', q{SELECT jadugar.unsubscribe('rare')});

# --- memory ---------------------------------------------------------------------

# Publishes 1,600 events of 64 kB between two small ones.
sub bulk
{
	my ($topic, $type, $key) = @_;

	return $node->safe_psql('postgres', qq{
		BEGIN;
		SELECT jadugar.publish('n', '{"n": 1}', 'a', topic => '$topic');
		SELECT count(jadugar.publish('$type', jsonb_build_object('x', x), '$key', topic => '$topic'))
		FROM (SELECT string_agg(md5(i::text), '') AS x FROM generate_series(1, 2000) i OFFSET 0) x, generate_series(1, 1600);
		SELECT jadugar.publish('n', '{"n": 2}', 'a', topic => '$topic');
		COMMIT});
}

# Waits until all three events are handled; by how many MB has memory grown?
sub grown
{
	ok(poll($node, q{SELECT count(*) FROM app.handled WHERE peak > 0}, 3), 'the events are handled');
	return $node->safe_psql('postgres', q{
		SELECT max(peak) - min(peak) FILTER (WHERE n = 0) FROM app.handled WHERE peak > 0;
		TRUNCATE app.handled});
}

SKIP:
{
	skip 'no /proc/self/status', 4 if !-e '/proc/self/status';
	my $other = $node->safe_psql('postgres', q{
		SELECT jadugar.create_topic('batches');
		SELECT jadugar.create_topic('shards');
		SELECT min(k) FROM unnest('{b,c,d,e,f,g,h,i}'::text[]) k WHERE (hashtext(k) & 1) <> (hashtext('a') & 1)});
	$other =~ s/.*\n//s;
	$node->safe_psql('postgres', q{
		SELECT jadugar.subscribe('batches', '{n}', 'SELECT app.measure(e) FROM unnest($1) e', topics => '{batches}', batch => 10);
		SELECT jadugar.publish('n', '{"n": 0}', 'a', topic => 'batches')});
	ok(poll($node, q{SELECT count(*) FROM app.handled WHERE n = 0}, 1), 'the first event is handled');
	bulk('batches', 'unwanted', 'a');
	my $mb = grown();
	cmp_ok($mb, '<', 60, "memory of a worker that passes over 100 MB of other types: $mb MB");
	# a new worker, because the peak of its memory is measured
	$node->restart;
	$node->safe_psql('postgres', q{SELECT jadugar.publish('n', '{"n": 0}', 'a', topic => 'shards')});
	bulk('shards', 'unwanted', $other);
	$node->safe_psql('postgres', q{
		SELECT jadugar.subscribe('shards', '{n}', 'SELECT app.measure($1)', topics => '{shards}', start => 'beginning', shards => 2)});
	$mb = grown();
	cmp_ok($mb, '<', 60, "memory of a worker that passes over 100 MB of another shard: $mb MB");
}

$node->stop;
done_testing();
