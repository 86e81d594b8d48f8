# The event log while time passes: partitions roll, are sealed and expire beside
# open and prepared transactions, under a publication FOR ALL TABLES; then a dump
# and a hot standby.
use strict;
use warnings;

use IPC::Run;
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', -streaming => 'logical', wal_level => 'logical');

# The time of jadugar begins at 01:05 UTC, so that no partition begins because time
# passes, and hours pass within a day.
my $offset = 86400 - time() % 86400 + 3900;

sub hours_pass
{
	my ($hours) = @_;

	$offset += $hours * 3600;
	$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.clock_offset = $offset");
	$node->reload;
	# a session that begins now may be older than the setting
	poll($node, 'SHOW jadugar.clock_offset', $offset >= 0 && $offset % 60 == 0 ? duration($offset) : "${offset}s");
	return;
}

# as SHOW prints seconds
sub duration
{
	my ($s) = @_;

	return $s % 86400 == 0 ? $s / 86400 . 'd' : $s % 3600 == 0 ? $s / 3600 . 'h' : $s / 60 . 'min';
}

sub app
{
	my ($sql, $db) = @_;

	return $node->safe_psql($db // 'postgres', $sql, extra_params => [ '-U', 'app' ]);
}

sub publish
{
	my ($topic, $n, $db) = @_;

	return app(qq{SELECT jadugar.publish('note', '{"n": $n}', topic => '$topic')}, $db);
}

# the numbers of the events of a topic, in order of their ids
sub numbers
{
	my ($topic, $db) = @_;

	return app("SELECT string_agg(data->>'n', ' ' ORDER BY event_id) FROM jadugar.read_events(topics => '{$topic}')", $db);
}

sub leaf
{
	my ($topic) = @_;

	return $node->safe_psql('postgres', "SELECT leaf FROM jadugar_internal.topic WHERE name = '$topic'");
}

sub leaves
{
	my ($topic) = @_;

	return "SELECT string_agg(l.leaf::text, ' ' ORDER BY l.leaf) FROM jadugar_internal.event_leaf l
		JOIN jadugar_internal.topic t USING (topic_id) WHERE t.name = '$topic'";
}

# waits until the topic writes to another partition than the given one
sub rolls
{
	my ($topic, $leaf, $what) = @_;

	ok(poll($node, "SELECT leaf > $leaf FROM jadugar_internal.topic WHERE name = '$topic'"), $what);
	return leaf($topic);
}

sub is_sealed
{
	my ($leaf) = @_;

	return "SELECT sealed_at IS NOT NULL FROM jadugar_internal.event_leaf WHERE leaf = $leaf";
}

# Each partition has a row of event_leaf, and each row a partition.
my $agree = q{
	SELECT (SELECT coalesce(array_agg(inhrelid::regclass::text ORDER BY inhrelid), '{}') FROM pg_inherits
			WHERE inhparent = 'jadugar_internal.event'::regclass AND NOT inhdetachpending)
		= (SELECT coalesce(array_agg('jadugar_internal.event_' || leaf ORDER BY to_regclass('jadugar_internal.event_' || leaf)), '{}')
			FROM jadugar_internal.event_leaf)
	AND (SELECT count(*) FROM pg_class WHERE relnamespace = 'jadugar_internal'::regnamespace AND relkind = 'r'
			AND relname ~ '^event_\d+$') = (SELECT count(*) FROM jadugar_internal.event_leaf)};

# upkeep runs when the settings are read again
sub upkeep_until
{
	my ($query, $name) = @_;

	return ok(poll_sub($name, sub { $node->reload; return $node->safe_psql('postgres', $query) eq 't'; }), $name);
}

# Memory of a large batch: no more than a few times its input.
sub peak_grows
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', qq{
		CREATE TEMP TABLE before AS SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\\s+(\\d+)')::bigint AS kb;
		SELECT count(*) FROM ($sql) x \\g /dev/null
		SELECT (substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\\s+(\\d+)')::bigint - kb) / 1024 FROM before});
}

hours_pass(0);
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	CREATE ROLE reader LOGIN;
	SELECT jadugar.grant_access(r) FROM unnest('{app, reader}'::text[]) r;
	GRANT CREATE ON SCHEMA public TO app;
	CREATE PUBLICATION everything FOR ALL TABLES});
app(q{
	SELECT jadugar.create_topic('hourly', roll => 'hour', retention => '12 hours');
	SELECT jadugar.create_topic('kept', roll => 'hour', keep => true, index_keys => true);
	SELECT jadugar.create_topic('long', roll => 'hour', retention => '9999999 days');
	SELECT jadugar.create_topic('daily')});
poll($node, 'SELECT count(*) FROM jadugar_internal.topic WHERE leaf IS NULL', '0');

# --- rolling and sealing -------------------------------------------------------

my %first = map { $_ => leaf($_) } qw(hourly kept daily);
hours_pass(1);
publish($_, 1) foreach qw(hourly kept daily long);
is(leaf('hourly'), $first{hourly}, 'the partition is the same although an hour has passed');
upkeep_until("SELECT leaf > $first{hourly} FROM jadugar_internal.topic WHERE name = 'hourly'",
	'a partition with an event rolls in the next hour');
upkeep_until(is_sealed($first{hourly}), 'and is sealed');
rolls('kept', $first{kept}, 'so does that of another topic');
is(leaf('daily'), $first{daily}, 'a topic of days goes on');
is($node->safe_psql('postgres', "SELECT min_id = max_id AND min_xid = max_xid FROM jadugar_internal.event_leaf WHERE leaf = $first{hourly}"),
	't', 'a sealed partition has its limits');
my $empty = leaf('hourly');
hours_pass(2);
is(leaf('hourly'), $empty, 'a partition without events goes on');

# Three transactions write to the partition before it rolls, and one that has its
# snapshot does not.
my $open = $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
my $reading = $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
my $undone = $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
$open->query_safe(q{BEGIN; SAVEPOINT s; SELECT jadugar.publish('note', '{"n": 2}', topic => 'hourly'); RELEASE s});
$undone->query_safe(q{BEGIN; SAVEPOINT s; SELECT jadugar.publish('note', '{"n": 3}', topic => 'hourly'); ROLLBACK TO s});
$reading->query_safe(q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM jadugar.read_events()});
app(q{BEGIN; SELECT jadugar.publish('note', '{"n": 4}', topic => 'hourly'); PREPARE TRANSACTION 'prepared'});
publish('hourly', 5);
is(numbers('hourly'), '1 5', 'events are read after the commit');
hours_pass(1);
my $next = rolls('hourly', $empty, 'a partition rolls while transactions write to it');
publish('hourly', 6);
is($node->safe_psql('postgres', "SELECT count(*) FROM jadugar_internal.event_$next"), '1', 'new events go to the new one');
$reading->query_safe(q{SELECT jadugar.publish('note', '{"n": 7}', topic => 'hourly')});
is($reading->query_safe(q{SELECT data->>'n' FROM jadugar.read_events(topics => '{hourly}') WHERE data->>'n' IN ('6', '7')}),
	'7', 'an old snapshot shows the event of its own transaction only');
is($reading->query_safe(q{SELECT data->>'n', topic FROM jadugar.events WHERE data->>'n' IN ('6', '7')}), '7|hourly', 'so does the view');
is($reading->query_safe(q{SELECT count(*) FROM jadugar.read_events() WHERE data->>'n' = '5'}), '0', 'and none that is newer');
$reading->query_safe('COMMIT');
is($node->safe_psql('postgres', qq{SELECT count(*) FROM jadugar_internal.event_$next WHERE data->>'n' = '7'}),
	'1', 'it was written to the new partition');
# other partitions are sealed meanwhile: the upkeep has come by
my $kept = leaf('kept');
publish('kept', 2);
hours_pass(1);
rolls('kept', $kept, 'the topic beside it rolls');
upkeep_until(is_sealed($kept), 'and is sealed');
is($node->safe_psql('postgres', is_sealed($empty)), 'f', 'open transactions keep a partition from being sealed');
$open->query_safe(q{SELECT jadugar.publish('note', '{"n": 8}', topic => 'hourly'); COMMIT});
$undone->query_safe('COMMIT');
$_->quit foreach $open, $undone, $reading;
hours_pass(0);
$kept = leaf('kept');
publish('kept', 3);
hours_pass(1);
rolls('kept', $kept, 'the topic beside it rolls again');
upkeep_until(is_sealed($kept), 'and is sealed again');
is($node->safe_psql('postgres', is_sealed($empty)), 'f', 'a prepared transaction does so, too');
$node->restart;
is($node->safe_psql('postgres', is_sealed($empty)), 'f', 'and after a restart');
$node->safe_psql('postgres', "COMMIT PREPARED 'prepared'");
is(numbers('hourly'), '1 2 4 5 6 7 8', 'every committed event is read, in order of ids');
upkeep_until(is_sealed($empty), 'the partition is sealed when nobody writes to it');
is($node->safe_psql('postgres', "SELECT (min_id, max_id, min_xid, max_xid) = (SELECT min(event_id), max(event_id),
			min(xid::text::bigint)::text::xid8, max(xid::text::bigint)::text::xid8 FROM jadugar_internal.event_$empty)
		FROM jadugar_internal.event_leaf WHERE leaf = $empty"), 't', 'its limits are those of all events');
is(numbers('hourly'), '1 2 4 5 6 7 8', 'every event is read from sealed partitions');
is(app(q{SELECT count(*) FROM jadugar.read_events(topics => '{hourly}',
		after_id => (SELECT max(event_id) FROM jadugar.events WHERE topic = 'hourly'))}), '0', 'nothing follows the last event');
is($node->safe_psql('postgres', $agree), 't', 'partitions and their rows agree');

# --- expiring ------------------------------------------------------------------

# A partition that a reader of the whole log holds up is dropped later.
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN; SELECT count(*) FROM jadugar.events');
my $log = log_offset($node);
hours_pass(15);
ok(wait_for_log($node, qr/jadugar could not drop the event partition/, $log), 'a reader of the log holds up the drop of a partition');
is(numbers('kept'), '1 2 3', 'other topics are read meanwhile');
publish('kept', 4);
$reader->query_safe('COMMIT');
$reader->quit;
upkeep_until("SELECT count(*) = 0 FROM jadugar_internal.event_leaf WHERE leaf IN ($first{hourly}, $empty)",
	'partitions past the retention are dropped');
upkeep_until($agree, 'partitions and their rows agree afterwards');
is($node->safe_psql('postgres', "SELECT to_regclass('jadugar_internal.event_$empty') IS NULL"), 't', 'nothing is left of them');
is(numbers('hourly') =~ /[1-5]/ ? 'some' : 'none', 'none', 'their events are gone');
is(numbers('kept'), '1 2 3 4', 'a topic that is kept has all of its events');
is(numbers('daily'), '1', 'so does one whose retention is that of the server');
is(numbers('long'), '1', 'and one with a retention of ages');

# A partition whose drop has begun is dropped although the topic keeps events now.
publish('hourly', 20);
hours_pass(1);
poll($node, "SELECT count(*) > 0 FROM jadugar_internal.event_leaf WHERE leaf = (SELECT leaf FROM jadugar_internal.topic WHERE name = 'hourly')");
my $pending = $node->safe_psql('postgres', q{SELECT max(leaf) FROM jadugar_internal.event WHERE data->>'n' = '20'});
upkeep_until(is_sealed($pending), 'a partition is sealed');
$reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN; SELECT count(*) FROM jadugar.events');
$log = log_offset($node);
hours_pass(15);
ok(wait_for_log($node, qr/jadugar could not drop the event partition $pending yet/, $log), 'and cannot be dropped');
app(q{SELECT jadugar.alter_topic('hourly', keep => true)});
$reader->query_safe('COMMIT');
$reader->quit;
upkeep_until("SELECT count(*) = 0 FROM jadugar_internal.event_leaf WHERE leaf = $pending", 'a drop that has begun is finished');
upkeep_until($agree, 'partitions and their rows agree again');
app(q{SELECT jadugar.alter_topic('hourly', keep => false)});

# Partitions are read one after the other.
app(q{SELECT jadugar.create_topic('many', roll => 'hour', keep => true)});
foreach my $n (1 .. 5)
{
	my $many = leaf('many');

	publish('many', $n);
	hours_pass(1);
	rolls('many', $many, "partition $n of many");
	upkeep_until(is_sealed($many), "partition $n is sealed");
}
is(numbers('many'), '1 2 3 4 5', 'many partitions are read in order');
is(app(q{SELECT string_agg(data->>'n', ' ') FROM jadugar.read_events(topics => '{many}', newest_first => true)}),
	'5 4 3 2 1', 'and backwards');
is(app(q{SELECT string_agg(data->>'n', ' ') FROM jadugar.read_events(topics => '{many}', newest_first => true, max_rows => 2)}),
	'5 4', 'and the newest of them');

# drop_topic()
my $dropped = app(q{SELECT jadugar.create_topic('dropped', roll => 'hour')});
publish('dropped', 1);
my $leaf = leaf('dropped');
app(q{SELECT jadugar.drop_topic('dropped', events => 'drop')});
ok(poll($node, "SELECT count(*) FROM jadugar_internal.event_leaf WHERE topic_id = $dropped", '0'), 'drop_topic() drops its partitions');
ok(poll($node, $agree), 'partitions and their rows agree after drop_topic()');
is($node->safe_psql('postgres', "SELECT to_regclass('jadugar_internal.event_$leaf') IS NULL"), 't', 'nothing is left of the topic');

unlike(slurp_file($node->logfile), qr/\bERROR:/, 'no statement has failed under a publication FOR ALL TABLES');
$node->safe_psql('postgres', 'DROP PUBLICATION everything');

# --- publishing beside registrations --------------------------------------------

# Three sessions publish a type, and read it, while another registers and drops it.
{
	my %script = (
		publish => [ 3, q{SELECT jadugar.publish('churn', '{"n": 1}', topic => 'default');
			SELECT count(*) FROM jadugar.read_events('{churn}', newest_first => true, max_rows => 5);} ],
		register => [ 1, q{SELECT jadugar.register_event_type('churn', 'public.churn');
			SELECT jadugar.register_event_type('churn', 'public.churn', version => 1, key => '$.n');
			SELECT jadugar.drop_event_type('churn');} ]);
	my %errors;

	app('CREATE TYPE churn AS (n integer)');
	my @run = map {
		my $file = $node->data_dir . "/$_.sql";

		append_to_file($file, $script{$_}[1]);
		IPC::Run::start([ 'pgbench', '-n', '-U', 'app', '-c', $script{$_}[0], '-t', 5000, '-f', $file, $node->connstr('postgres') ],
			'>', \my $out, '2>', \$errors{$_})
	} sort keys %script;
	IPC::Run::finish($_) foreach @run;
	unlike(join('', values %errors), qr/ERROR/, 'types are registered and dropped beside publishers');
	app(q{DROP TYPE churn});
}

# --- memory ---------------------------------------------------------------------

SKIP:
{
	skip 'no /proc/self/status', 2 if !-e '/proc/self/status';
	$node->safe_psql('postgres', q{
		CREATE DOMAIN word AS text CHECK (length(VALUE) < 100);
		CREATE TYPE row8 AS (a integer, b bigint, c word, d word, e numeric, f boolean, g date, h word);
		SELECT jadugar.create_topic('batches');
		SELECT jadugar.register_event_type('row8', 'public.row8', topic => 'batches', key => '$.c');
		CREATE TABLE input AS
			SELECT array_agg(jsonb_build_object('a', g, 'b', g, 'c', 'word' || g, 'd', 'word', 'e', 1.5, 'f', true,
				'g', '2026-01-01', 'h', 'word')) AS small FROM generate_series(1, 100000) g;
		ALTER TABLE input ADD COLUMN large jsonb[];
		UPDATE input SET large = (SELECT array_agg(jsonb_build_object('x', x)) FROM generate_series(1, 20000) g,
			LATERAL (SELECT string_agg(md5(g || '.' || i), '') AS x FROM generate_series(1, 100) i) y)});
	my $small = peak_grows(q{SELECT jadugar.publish_batch('row8', small, tenant => repeat('t', 128), trace => repeat('t', 72)) FROM input});
	cmp_ok($small, '<', 100, "memory of 100,000 checked events: $small MB");
	my $large = peak_grows(q{SELECT jadugar.publish_batch('large', large, topic => 'batches') FROM input});
	cmp_ok($large, '<', 130, "memory of 20,000 toasted events: $large MB");
	$node->safe_psql('postgres', q{
		SELECT jadugar.drop_event_type('row8');
		SELECT jadugar.drop_topic('batches', events => 'drop');
		DROP TABLE input});
}

# --- dump and restore ----------------------------------------------------------

app(q{
	CREATE TYPE note AS (n integer);
	CREATE TYPE note2 AS (n integer, text text);
	SELECT jadugar.register_event_type('typed', 'public.note', topic => 'kept', key => '$.n', description => 'with a type');
	SELECT jadugar.publish('typed', '{"n": 5}');
	SELECT jadugar.register_event_type('typed', 'public.note2');
	SELECT jadugar.publish('typed', '{"n": 6, "text": "x"}', message_id => 'm1');
	SELECT jadugar.publish('unregistered', '{"n": 7}');
	SELECT jadugar.grant_topic('kept', 'reader');
	SELECT jadugar.grant_event_type('typed', 'reader', 'publish')});
my @connect = ('-d', $node->connstr('postgres'));
my $dir = PostgreSQL::Test::Utils::tempdir();
my $contents = q{
	SELECT concat_ws(' ', 'topic', name, owner, retention, keep, roll, index_keys, registered_only) FROM jadugar.topics
	UNION ALL SELECT concat_ws(' ', 'type', type, version, payload_type, topic, owner, key, description) FROM jadugar.event_types
	UNION ALL SELECT concat_ws(' ', 'grant', topic, type, role, privilege) FROM jadugar.event_grants
	UNION ALL SELECT concat_ws(' ', 'event', event_id, type, version, key, data, topic, publisher, published_at) FROM jadugar.events
	UNION ALL SELECT concat_ws(' ', 'message', role::regrole, message_id, event_id) FROM jadugar_internal.event_message
	ORDER BY 1};
my $before = $node->safe_psql('postgres', $contents);
my $highest = $node->safe_psql('postgres', 'SELECT max(event_id) FROM jadugar.events');

like($before, qr/event \d+ unregistered.* default app /, 'the log has events of a built-in topic');
command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom", @connect ], 'pg_dump -Fc');
command_ok([ 'pg_dump', '-f', "$dir/plain", @connect ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE custom');
$node->safe_psql('postgres', 'CREATE DATABASE plain');
command_ok([ 'pg_restore', '-j2', '--exit-on-error', '-d', $node->connstr('custom'), "$dir/custom" ], 'pg_restore -j2');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain", '-d', $node->connstr('plain') ], 'restore with psql');

# A restore that takes longer: the scheduler works as soon as the extension exists.
my $plain = slurp_file("$dir/plain");
my $extension = qr/^CREATE EXTENSION IF NOT EXISTS jadugar .*?;\n/ms;
like($plain, $extension, 'the dump creates the extension');
append_to_file("$dir/rest", $plain =~ s/$extension//r);
create_extension($node, 'slow');
wait_for_process($node, 'scheduler', 'slow');
poll($node, q{SELECT query ~ 'waiting for the first use' FROM pg_stat_activity WHERE datname = 'slow' AND backend_type = 'jadugar scheduler'});
$node->reload;
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/rest", '-d', $node->connstr('slow') ], 'restore in two steps');

foreach my $db (qw(custom plain slow))
{
	is($node->safe_psql($db, $contents), $before, "$db: everything is restored");
	is($node->safe_psql($db, q{SELECT severity FROM jadugar.health WHERE what = 'identity'}), 'error', "$db: it is not adopted");
	my $id = app(q{SELECT jadugar.publish('typed', '{"n": 8}')}, $db);
	cmp_ok($id, '>', $highest, "$db: ids go on");
	app(q{SELECT jadugar.publish('unregistered', '{"n": 9}')}, $db);
	is(app(q{SELECT jadugar.publish('typed', '{"n": 6}', message_id => 'm1')}, $db),
		$node->safe_psql('postgres', q{SELECT event_id FROM jadugar_internal.event_message}), "$db: message ids are known");
	is($node->safe_psql($db, q{SELECT owner FROM jadugar.adopt()}), '', "$db: adopt()");
	cmp_ok(app(q{SELECT jadugar.publish('typed', '{"n": 10}')}, $db), '>', $id, "$db: publishing goes on after adopt()");
	is(numbers('kept', $db), '1 2 3 4 5 6 8 10', "$db: events of before and after are read in order");
	is(app(q{SELECT string_agg(data->>'n', ' ' ORDER BY event_id) FROM jadugar.read_events('{unregistered}')}, $db),
		'7 9', "$db: so are those of a built-in topic");
	is(app(q{SELECT count(*) FROM jadugar.read_events(topics => '{kept}', key => '5')}, $db), '1', "$db: the index of keys");
	ok(poll($node, $agree, 't', $db), "$db: partitions and their rows agree");
}

# A role that has published and owns nothing, with access by membership: another
# cluster knows it by name.
$node->safe_psql('postgres', q{CREATE ROLE publisher LOGIN IN ROLE app});
$node->safe_psql('custom', q{SELECT jadugar.publish('note')}, extra_params => [ '-U', 'publisher' ]);
is($node->safe_psql('custom', q{SELECT count(*) FROM jadugar_internal.owner WHERE name = 'publisher'}), '1', 'the name of a publisher is kept');

# A partition that somebody has dropped: publishers get an error, readers the rest.
my $gone = $node->safe_psql('slow', q{SELECT leaf FROM jadugar_internal.topic WHERE name = 'kept'});
$node->safe_psql('slow', "DROP TABLE jadugar_internal.event_$gone");
like(psql_error($node, q{SELECT jadugar.publish('note', topic => 'kept')}, 'slow'),
	qr/ERROR:  partition jadugar_internal.event_$gone does not exist/, 'publishing without the partition is an error');
is(app(q{SELECT count(*) FROM jadugar.read_events('{unregistered}')}, 'slow'), '2', 'other partitions are read');

is(psql_error($node, 'DROP EXTENSION jadugar', 'plain'), '', 'DROP EXTENSION');
is($node->safe_psql('plain', q{SELECT count(*) FROM pg_namespace WHERE nspname ~ 'jadugar'}), '0', 'nothing is left of it');

# --- a hot standby -------------------------------------------------------------

my $standby = new_standby('standby', $node);

$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $contents), $before, 'standby: views');
is($standby->safe_psql('postgres', q{SELECT string_agg(data->>'n', ' ' ORDER BY event_id) FROM jadugar.read_events(topics => '{kept}')},
		extra_params => [ '-U', 'app' ]), '1 2 3 4 5 6', 'standby: read_events()');
is($standby->safe_psql('postgres', "SELECT data->>'n' FROM jadugar.get_event($highest)", extra_params => [ '-U', 'app' ]),
	'7', 'standby: get_event()');
is($standby->safe_psql('postgres', q{SELECT jadugar.event_schema('typed')->>'type'}), 'object', 'standby: event_schema()');
like(psql_error($standby, q{\set VERBOSITY verbose
		SELECT jadugar.publish('note')}), qr/ERROR:  25006/, 'standby: publish() is refused');
like(psql_error($standby, q{\set VERBOSITY verbose
		SELECT jadugar.create_topic('more')}), qr/ERROR:  25006/, 'standby: create_topic() is refused');
publish('kept', 11);
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT string_agg(data->>'n', ' ' ORDER BY event_id) FROM jadugar.read_events(topics => '{kept}')},
		extra_params => [ '-U', 'app' ]), '1 2 3 4 5 6 11', 'standby: new events are read');
$standby->promote;
is($standby->safe_psql('postgres', q{SELECT jadugar.publish('note', topic => 'kept') > 0}, extra_params => [ '-U', 'app' ]),
	't', 'after promotion, publishing works');
$standby->stop;
$node->stop;
done_testing();
