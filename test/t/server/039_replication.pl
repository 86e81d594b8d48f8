# Logical replication of everything: a publication FOR ALL TABLES stops nothing, a
# copy stays in sync over a new day and runs nothing, and decoding works.  Event
# triggers that are ENABLE ALWAYS do not see DDL of ours.
use strict;
use warnings;

use JadugarTest;
use Test::More;

# The time of jadugar on both servers moves by this setting.
sub day_is
{
	my ($offset, @nodes) = @_;

	foreach my $node (@nodes)
	{
		$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.clock_offset = '$offset'");
		$node->reload;
	}
	return;
}

my $node = new_cluster('publisher', -streaming => 'logical', wal_level => 'logical',
	'jadugar.history_retention' => '2d', 'jadugar.log_retention' => '1d');
my $copy = new_cluster('subscriber', 'jadugar.history_retention' => '2d');

# A task, a failed one that is retried, logs, and what removes rows again
sub works
{
	my ($n, $day) = @_;

	my $task = $node->safe_psql('postgres', "SELECT jadugar.enqueue('INSERT INTO effect VALUES ($n)', queue => 'short')");
	ok(poll($node, "SELECT status FROM jadugar.finished WHERE task_id = $task", 'completed'), "$day: a task runs");
	my $fails = $node->safe_psql('postgres', q{SELECT jadugar.enqueue(
		$x$DO $d$ BEGIN RAISE WARNING 'noted'; PERFORM 1 / 0; END $d$$x$)});
	ok(poll($node, "SELECT status FROM jadugar.finished WHERE task_id = $fails", 'failed'), "$day: a task fails");
	is(psql_error($node, "SELECT jadugar.retry_task($fails)"), '', "$day: and is retried");
	poll($node, "SELECT status FROM jadugar.finished WHERE task_id = $fails", 'failed');
	is(psql_error($node, q{SELECT jadugar.log('info', 'kept')}), '', "$day: a log entry");
	is(psql_error($node, q{SELECT jadugar.purge_completed('10 days')}), '', "$day: purge_completed()");
	return;
}

create_extension($node);
is($node->safe_psql('postgres', q{
		SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_class c
		WHERE c.relnamespace = 'jadugar_internal'::regnamespace AND c.relkind IN ('r', 'p')
		AND c.relreplident <> 'f' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid
			AND CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END)}),
	'', 'every table has a replica identity');

day_is('-1d', $node);
$node->safe_psql('postgres', q{
	CREATE TABLE effect (n int PRIMARY KEY, at timestamptz DEFAULT clock_timestamp());
	CREATE PUBLICATION everything FOR ALL TABLES WITH (publish_via_partition_root = true);
	SELECT jadugar.create_queue('short', retention => '1 hour');
	SELECT jadugar.schedule('nightly', '0 3 * * *', 'SELECT 1');
	SELECT jadugar.create_topic('kept', keep => true);
	SELECT jadugar.publish('copied.first', topic => 'kept');
	SELECT jadugar.publish('copied.default')});
my $waiting = $node->safe_psql('postgres', q{SELECT jadugar.enqueue('INSERT INTO effect VALUES (-1)', delay => '1 year')});
works(0, 'the day before');
day_is('0', $node);
$copy->safe_psql('postgres', q{
	CREATE EXTENSION jadugar;
	CREATE TABLE effect (n int PRIMARY KEY, at timestamptz);
	TRUNCATE jadugar_internal.here, jadugar_internal.control, jadugar_internal.queue, jadugar_internal.topic, jadugar_internal.limit_of});
$copy->safe_psql('postgres', sprintf q{CREATE SUBSCRIPTION copy CONNECTION '%s' PUBLICATION everything},
	$node->connstr('postgres') =~ s/'/''/gr);
ok(poll($copy, q{SELECT count(*) FILTER (WHERE srsubstate <> 'r') FROM pg_subscription_rel}, '0'), 'the copy has all tables');

my $same = q{SELECT (SELECT count(*) FROM effect) || ' ' || count(*) || ' ' || max(attempt_id)
	FROM jadugar_internal.attempt};
sub in_sync
{
	my ($day) = @_;
	my $end = $node->safe_psql('postgres', $same);

	ok(poll($copy, $same, $end), "$day: the copy is in sync");
	return;
}

works(1, 'first day');
poll($copy, 'SELECT count(*) FROM effect', '2');
in_sync('first day');

# Partitions of the event log follow their rows, in the same transaction too
my $events = q{SELECT count(*) || ' ' || max(event_id) FROM jadugar_internal.event};
$node->safe_psql('postgres', q{BEGIN;
	SELECT jadugar.create_topic('dropped', index_keys => true);
	SELECT jadugar.publish('copied.second', key => 'k', topic => 'dropped');
	SELECT jadugar.publish('copied.third', topic => 'kept');
	COMMIT});
is($node->safe_psql('postgres', $events), '4 4', 'four events');
ok(poll($copy, $events, '4 4'), 'and in the copy');
is($copy->safe_psql('postgres', q{SELECT count(*) FROM pg_indexes WHERE indexname ~ '^event_[0-9]+_key$'}), '1',
	'with the index of keys');
$node->safe_psql('postgres', q{SELECT jadugar.drop_topic('dropped', events => 'drop')});
my $offset = log_offset($node);
my $copy_offset = log_offset($copy);
foreach my $day (1 .. 3)
{
	day_is("${day}d", $node, $copy);
	poll($_, q{SELECT count(*) > 0 FROM pg_class WHERE relname = 'attempt_' ||
		to_char((now() + current_setting('jadugar.clock_offset')::interval) AT TIME ZONE 'UTC', 'YYYYMMDD')}) foreach ($node, $copy);
	works(10 + $day, "day $day");
	in_sync("day $day");
}
my $partitions = q{SELECT min(relname) > 'attempt_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD') FROM pg_class
	WHERE relname ~ '^attempt_[0-9]{8}$'};
ok(poll($node, $partitions, 't'), 'old partitions are dropped');
ok(poll($copy, $partitions, 't'), 'and in the copy');
my $of_events = q{SELECT count(*) FROM jadugar_internal.event_leaf l FULL JOIN
	(SELECT relname FROM pg_class WHERE relname ~ '^event_[0-9]+$') c ON c.relname = 'event_' || l.leaf
	WHERE leaf IS NULL OR relname IS NULL OR l.topic_id NOT IN (SELECT topic_id FROM jadugar_internal.topic)};
ok(poll($_, $of_events, '0'), 'those of the dropped topic too') foreach ($node, $copy);
is($copy->safe_psql('postgres', q{SELECT string_agg(what, ' ') FROM jadugar.health WHERE severity = 'error'}),
	'identity', 'the copy runs nothing before adopt(), although its database has the same OID');
is($copy->safe_psql('postgres', "SELECT count(*) FROM jadugar.tasks WHERE task_id = $waiting"), '1', 'it has the tasks');
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset);
unlike($log, qr/ERROR|could not drop/, 'maintenance has not failed');
unlike(PostgreSQL::Test::Utils::slurp_file($copy->logfile, $copy_offset), qr/ERROR/, 'nor has the copy');

# Decoding
$node->safe_psql('postgres', q{SELECT pg_create_logical_replication_slot('changes', 'test_decoding')});
works(50, 'decoding');
ok($node->safe_psql('postgres', q{SELECT count(*) FROM pg_logical_slot_get_changes('changes', NULL, NULL)
		WHERE data ~ 'table public.effect: INSERT'}) eq '1', 'changes of a task are decoded');
$node->safe_psql('postgres', q{SELECT pg_drop_replication_slot('changes')});

# The copy takes over
$copy->safe_psql('postgres', 'DROP SUBSCRIPTION copy; SELECT count(*) FROM jadugar.adopt()');
my $here = $copy->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT 1')});
ok(poll($copy, "SELECT status FROM jadugar.finished WHERE task_id = $here", 'completed'), 'after adopt() the copy runs tasks');
is($copy->safe_psql('postgres', q{SELECT string_agg(type, ' ' ORDER BY event_id) FROM jadugar.events}),
	'copied.first copied.default copied.third', 'it has the events that are left');
is($copy->safe_psql('postgres', q{SELECT jadugar.publish('copied.fourth', topic => 'kept') > 4}), 't', 'and publishes new ones');
$copy->stop;

# Event triggers
$node->safe_psql('postgres', q{
	CREATE TABLE seen (tag text, who name);
	CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF current_setting('application_name') ~ 'jadugar' THEN
			RAISE EXCEPTION 'no DDL without a ticket: %', tg_tag;
		END IF;
		INSERT INTO public.seen VALUES (tg_tag, current_user);
	END $$;
	CREATE EVENT TRIGGER a ON ddl_command_start EXECUTE FUNCTION refuse();
	CREATE EVENT TRIGGER b ON ddl_command_end EXECUTE FUNCTION refuse();
	CREATE EVENT TRIGGER c ON sql_drop EXECUTE FUNCTION refuse();
	ALTER EVENT TRIGGER a ENABLE ALWAYS; ALTER EVENT TRIGGER b ENABLE ALWAYS; ALTER EVENT TRIGGER c ENABLE ALWAYS;
	TRUNCATE seen});
$offset = log_offset($node);
foreach my $day (7, 20)
{
	day_is("${day}d", $node);
	poll($node, qq{SELECT count(*) FROM pg_class WHERE relname = 'attempt_' ||
		to_char((now() + '$day days') AT TIME ZONE 'UTC', 'YYYYMMDD')}, '1');
	poll($node, qq{SELECT count(*) FROM pg_class WHERE relname ~ '^attempt_[0-9]{8}\$' AND relname < 'attempt_' ||
		to_char((now() + '$day days' - '3 days'::interval) AT TIME ZONE 'UTC', 'YYYYMMDD')}, '0');
}
works(100, 'event triggers');
is($node->safe_psql('postgres', 'SELECT count(*) FROM seen'), '0', 'no event trigger has seen DDL of ours');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset), qr/ticket/, 'none has stopped it');

$node->stop;
done_testing();
